"""`python -m cnnexp`."""

from cnnexp.cli import main

main()
