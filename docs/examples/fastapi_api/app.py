"""An API of your own that asks Latchkey about each request, with FastAPI. docs/apis.md says how to run it."""

import os
from typing import Annotated

import latchkey
from fastapi import Depends, FastAPI

app = FastAPI()
proxies = int(os.environ.get("TRUSTED_PROXIES", "0"))
latchkey.install(app, os.environ["LATCHKEY_URL"], float(os.environ.get("LATCHKEY_SECONDS", "10")), proxies)

Anyone = Annotated[dict, Depends(latchkey.needs())]
Copier = Annotated[dict, Depends(latchkey.needs(scope="files:read files:write", cost=5))]
Asker = Annotated[dict, Depends(latchkey.needs(cost=0))]


@app.api_route("/whose", methods=["GET", "HEAD", "POST"])
async def whose(identity: Anyone) -> dict:
    return identity


@app.post("/copies")
async def copy(identity: Copier) -> dict:
    return identity


@app.get("/limits")
async def limits(identity: Asker) -> dict:
    return identity
