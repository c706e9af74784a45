# The same route as FastAPI's tutorials guard it: APIKeyHeader, a dependency, one key for all.
# `async def`, so that no thread is needed: the fastest way to write it. The model is a word list, cheaper than ours.
import os
import secrets

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader
from pydantic import BaseModel

POSITIVE = {"love", "great", "good", "excellent", "amazing", "wonderful", "best", "happy"}
NEGATIVE = {"hate", "bad", "terrible", "awful", "worst", "poor", "sad", "boring"}

app = FastAPI()
header = APIKeyHeader(name="X-API-Key")
expected = os.environ["BENCH_KEY"]


class Input(BaseModel):
    text: str


async def verify(key: str = Depends(header)) -> None:
    if not secrets.compare_digest(key.encode(), expected.encode()):
        raise HTTPException(status_code=403, detail="Invalid API key")


@app.post("/predict", dependencies=[Depends(verify)])
async def predict(input: Input):
    words = input.text.lower().split()
    score = sum(word in POSITIVE for word in words) - sum(word in NEGATIVE for word in words)
    sentiment = "positive" if score > 0 else "negative" if score < 0 else "neutral"
    return {"text": input.text, "sentiment": sentiment, "confidence": 0.5 + min(abs(score), 5) / 10}
