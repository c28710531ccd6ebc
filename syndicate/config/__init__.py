"""config.toml and the environment, read into one frozen ``Settings``."""

from syndicate.config.settings import Settings

__all__ = ["Settings"]
