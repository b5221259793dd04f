"""What all services of one installation share beside the log: its secret and its object store."""

from libs.common.objects import ObjectStore, open_store
from libs.common.security import load_or_create_secret
from libs.common.settings import Settings


def installation_secret(settings: Settings) -> bytes:
    """What URLs and tokens are signed with: the setting, else a file made on first use."""
    return settings.secret.encode() or load_or_create_secret(settings.data / "secret.key")


def installation_store(settings: Settings) -> ObjectStore:
    """The object store of the settings. Touches neither disk nor network beyond the secret."""
    return open_store(
        settings.storage,
        files_root=settings.data / "store",
        public_url=settings.public_url,
        secret=installation_secret(settings),
    )
