"""What an operator decides about a server: where it listens, who may ask, and how much."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["Settings"]

_MB = 2**20


class Settings(BaseModel):
    """Limits and time-outs of one server; unknown keys are refused.

    Attributes:
        host: address to listen on; the default is reached from this machine only.
        port: 0 lets the system choose one.
        token: what a caller must send as `Authorization: Bearer TOKEN`; None lets everybody in.
        workers: films scored at the same time.
        film_bytes: of one film as sent.
        request_bytes: of one request as sent.
        films: in one request.
        held_bytes: of all films that are held in memory at the same time, as sent.
        unfinished: requests that may be in work or waiting; one more is told to come again.
        connections: that may be open at the same time.
        per_minute: requests of one address, on average and in one go; 0 sets no limit.
        read_seconds: for a request to arrive as a whole.
        answer_seconds: for one film, from its arrival to its result, waiting included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: SecretStr | None = None
    workers: int = Field(default=1, ge=1)
    film_bytes: int = Field(default=64 * _MB, ge=1)
    request_bytes: int = Field(default=256 * _MB, ge=1)
    films: int = Field(default=32, ge=1)
    held_bytes: int = Field(default=1024 * _MB, ge=1)
    unfinished: int = Field(default=256, ge=1)
    connections: int = Field(default=512, ge=1)
    per_minute: int = Field(default=0, ge=0)
    read_seconds: float = Field(default=30.0, gt=0)
    answer_seconds: float = Field(default=60.0, gt=0)
