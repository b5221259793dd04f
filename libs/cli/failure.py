"""How a command ends badly."""

FAILED = 1
WRONG_USE = 2


class CommandFailed(Exception):
    """What happened, to which thing, and what to do: printed on stderr as it is."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
