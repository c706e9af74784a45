# A model that needs 20 ms of CPU time, as FastAPI's users keep one from blocking the event loop: in a thread, which holds Python's lock meanwhile.
import asyncio
import time

from fastapi import Depends

from fastapi_app import Input, app, verify


def burn() -> None:
    until = time.thread_time() + 0.020
    while time.thread_time() < until:
        pass


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.post("/models/slow/predict", dependencies=[Depends(verify)])
async def slow(input: Input):
    await asyncio.to_thread(burn)
    return {"text": input.text, "sentiment": "neutral"}
