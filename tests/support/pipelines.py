"""The pipeline without an instance around it: who is told, and who may stop it."""

from services.downloader.describe import Description


class TimesUp(Exception):
    """What a listener raises for an attempt that is over."""


class Listener:
    """Lets the attempt go on for so many questions, then calls it over."""

    def __init__(self, fences: int = 99) -> None:
        self.fences = fences
        self.told: list[str] = []

    async def foreseen(self, description: Description) -> None:
        self.told.append(f"foreseen {description.film.name}")

    async def described(self, description: Description) -> None:
        self.told.append(f"described {description.film.name}")

    async def packed(self, name: str, size_bytes: int, container: str) -> None:
        self.told.append(f"packed {name}: {size_bytes} bytes of {container}")

    async def preparing(self) -> None:
        self.told.append("preparing")

    async def check_fence(self) -> None:
        self.fences -= 1
        if self.fences < 0:
            raise TimesUp


async def nobody(_progress: object) -> None:
    """Whom progress may be told to."""
