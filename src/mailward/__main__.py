"""`python -m mailward` is the `mailward` command."""

from mailward.app.cli import main

if __name__ == "__main__":
    main()
