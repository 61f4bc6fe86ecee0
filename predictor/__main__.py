"""`python -m predictor` is the `predictor` command."""

from predictor.cli.app import main

if __name__ == "__main__":
    main()
