"""`python -m ganita`: the same as the `ganita` command (and what `torchrun -m ganita` starts)."""

from ganita.cli import main

if __name__ == "__main__":
    main()
