# What FastAPI's users answer later, and how they keep a model from blocking the event loop.
# A background task is kept in memory: it dies with the process, and its result cannot be read.
# The slow model needs 20 ms of CPU time, in a thread, which holds Python's lock meanwhile.
import asyncio
import time

from fastapi import BackgroundTasks, Depends

from fastapi_app import Input, app, predict, verify


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


@app.post("/predict/later", status_code=202, dependencies=[Depends(verify)])
async def later(input: Input, tasks: BackgroundTasks):
    tasks.add_task(predict, input)
    return {"status": "queued"}
