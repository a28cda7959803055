"""A server as `yongzhi serve` runs it, over a database that runs already: DATA DSN PORT."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from api.deployment import data_folder
from api.service.service import Service


def main(data: str, dsn: str, port: str) -> None:
    gc.set_threshold(100_000, 50, 100)
    with data_folder.opened(Path(data), dsn) as opened:
        service = Service(opened)
        app = create_app(service, f"127.0.0.1:{port}")
        uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="warning")
        service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
