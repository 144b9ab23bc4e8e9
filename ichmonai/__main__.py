"""`ichmonai`, and `python -m ichmonai`."""

from ichmonai.processes.safe_path import leave_current_folder


def main() -> None:
    """Run the command; what it imports and starts is not looked for in the current folder."""
    leave_current_folder()
    from ichmonai.cli import app

    app()


if __name__ == "__main__":
    main()
