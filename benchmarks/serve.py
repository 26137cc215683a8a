"""`ganita serve` under load: N clients at once for some minutes, each asking again as soon as it has its answer.

    python benchmarks/serve.py runs/quick --minutes 5 --clients 32

The server is a process of its own, the clients are the `httpx` of another. Questions are of the run's own evaluation,
or our own few; two thirds are streamed, one in eight asks for eight solutions. Written to results/serve.json:

    throughput        requests and generated tokens per second; tokens per second of the server's processor time
    latency           request to last byte; first_token: request to first text, of streams; p50, p95, p99, seconds
    waiting           request to a place in the batch, from the server's own histogram: the spread is the fairness
    per client        requests answered: the least, the median, the most; equal clients should get about equally many
    errors            everything that was not a whole answer
    memory            the server's resident bytes at the start, and its growth from the first fifth to the end
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from harness import RESULTS, versions

from ganita.runs import Run
from ganita.tokenizer.tokenizer import Tokenizer

QUESTIONS = (
    "A box holds 12 pencils. How many pencils are in 4 boxes?",
    "Mira bakes 8 trays of 15 rolls and sells 70 of them. How many rolls are left?",
    "Nora reads 18 pages a day for 5 days. Her book has 130 pages. How many pages are left?",
    "A train ticket costs 14 dollars and a bus ticket 9 dollars. What do 3 train tickets and 2 bus tickets cost?",
)
WARM_SECONDS = 10.0
_ANSWER = 128  # tokens


@dataclass
class Tally:
    """What the clients saw; times are (moment, seconds)."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    first: list[tuple[float, float]] = field(default_factory=list)
    many: list[tuple[float, float]] = field(default_factory=list)  # of requests for several solutions
    per_client: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)


def questions(run: Path) -> list[str]:
    """Return those questions of the run's evaluation that its model can read with an answer behind them, or ours."""
    tokenizer = Tokenizer.load(Run(run).stage("tokenizer"))
    room = Run(run).recipe().model.context_length - _ANSWER
    found = [json.loads(line)["question"] for path in run.glob("evaluate/*/items.jsonl") for line in path.open()]
    lengths = map(len, tokenizer.encode_batch(found))
    return [question for question, length in zip(found, lengths, strict=True) if length < room] or list(QUESTIONS)


async def client(number: int, http: httpx.AsyncClient, asked: list[str], end: float, tally: Tally) -> None:
    """Ask one question after the other until `end`."""
    chance = random.Random(number)
    while time.monotonic() < end:
        body: dict[str, Any] = {"prompt": chance.choice(asked), "max_tokens": _ANSWER, "seed": chance.randrange(2**31)}
        if chance.random() < 1 / 8:
            body |= {"n": 8, "temperature": 0.7}
        body["stream"] = chance.random() < 2 / 3
        begun = time.monotonic()
        try:
            first = await (stream(http, body) if body["stream"] else whole(http, body))
        except Exception as error:
            tally.errors[f"{type(error).__name__}: {str(error)[:80]}"] += 1
            await asyncio.sleep(0.1)
            continue
        now = time.monotonic()
        (tally.many if "n" in body else tally.latencies).append((begun, now - begun))
        if first is not None and "n" not in body:
            tally.first.append((begun, first - begun))
        tally.per_client[number] += 1


async def whole(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Ask for one answer; raise where it is none."""
    answer = await http.post("/v1/completions", json=body)
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:60]}"
    assert all(choice["finish_reason"] in ("stop", "length") for choice in answer.json()["choices"])


async def stream(http: httpx.AsyncClient, body: dict[str, Any]) -> float:
    """Ask for a stream and read it to its end; return when its first text came."""
    first, last = 0.0, ""
    async with http.stream("POST", "/v1/completions", json=body) as answer:
        assert answer.status_code == 200, f"{answer.status_code} {(await answer.aread())[:60]!r}"
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                first, last = first or time.monotonic(), line
    assert last == "data: [DONE]", f"the stream ended with {last[:60]}"
    return first


async def watch(process: psutil.Process, end: float, tally: Tally) -> None:
    """Note the server's memory every second, and at the end."""
    while tally.memory == [] or tally.memory[-1][0] < end:
        tally.memory.append((time.monotonic(), process.memory_info().rss))
        await asyncio.sleep(1)


async def load(url: str, process: psutil.Process, asked: list[str], num_clients: int, seconds: float) -> Tally:
    """Run all clients at once."""
    tally, end = Tally(), time.monotonic() + seconds
    limits = httpx.Limits(max_connections=num_clients, max_keepalive_connections=num_clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        clients = [client(number, http, asked, end, tally) for number in range(num_clients)]
        await asyncio.gather(*clients, watch(process, end, tally))
    return tally


def quantiles(times: list[tuple[float, float]], since: float) -> dict[str, float]:
    """Return p50, p95, p99 and the longest of the times that began after `since`, in seconds."""
    values = sorted(seconds for moment, seconds in times if moment >= since)
    if len(values) < 2:
        return {}
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cut[49], "p95": cut[94], "p99": cut[98], "longest": values[-1], "count": len(values)}


def metrics(url: str) -> dict[str, float]:
    """Read the server's own counters."""
    lines = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def waiting(found: dict[str, float]) -> dict[str, Any]:
    """Return the shares of requests that got a place within so many seconds, and the mean."""
    total = found["ganita_queue_seconds_count"]
    within = {
        found_in.group(1): value / total
        for name, value in found.items()
        if (found_in := re.fullmatch(r'ganita_queue_seconds_bucket\{le="([\d.]+)"\}', name))
    }
    return {"mean": found["ganita_queue_seconds_sum"] / total, "share_within_seconds": within}


def summary(
    tally: Tally, before: dict[str, float], after: dict[str, float], seconds: float, busy: float
) -> dict[str, Any]:
    """Return what goes to the JSON; `busy`: seconds of processor time that the server used."""
    start = tally.memory[0][0]
    since = start + min(WARM_SECONDS, seconds / 5)
    counted = [entry for entry in (*tally.latencies, *tally.many) if entry[0] >= since]
    per_client = sorted(tally.per_client.values())
    late = [size for moment, size in tally.memory if moment >= start + seconds / 5]
    tokens = after["ganita_generated_tokens_total"] - before["ganita_generated_tokens_total"]
    return {
        "requests_per_second": len(counted) / (start + seconds - since),
        "tokens_per_second": tokens / seconds,
        "tokens_per_processor_second": tokens / busy,
        "latency_seconds": quantiles(tally.latencies, since),
        "latency_of_eight_solutions_seconds": quantiles(tally.many, since),
        "first_token_seconds": quantiles(tally.first, since),
        "waiting_seconds": waiting(after),
        "requests_per_client": {
            "least": per_client[0], "median": statistics.median(per_client), "most": per_client[-1],
        },
        "errors": dict(tally.errors),
        "memory_bytes": {"start": tally.memory[0][1], "end": late[-1], "growth_after_a_fifth": late[-1] - late[0]},
    }  # fmt: skip


def main() -> None:
    """Start the server, load it, stop it, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    command = [sys.executable, "-m", "ganita", "serve", str(options.run), "--port", "0", "--engine", options.engine]
    command += ["--threads", str(options.threads)] if options.threads else []
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert server.stdout is not None
        url = re.search(r"http://[^/\s]+", server.stdout.readline())
        assert url is not None, "the server did not start"
        httpx.post(f"{url[0]}/v1/completions", json={"prompt": QUESTIONS[0]}, timeout=120)
        before, seconds = metrics(url[0]), 60 * options.minutes
        process = psutil.Process(server.pid)
        begun = sum(process.cpu_times()[:2])
        tally = asyncio.run(load(url[0], process, questions(options.run), options.clients, seconds))
        result = summary(tally, before, metrics(url[0]), seconds, sum(process.cpu_times()[:2]) - begun)
        facts = httpx.get(f"{url[0]}/card").json()
    finally:
        server.terminate()
        server.wait(20)
    result["stopped_with"] = server.returncode
    about = {"parameters": facts.get("parameters"), "engine": facts["engine"], "clients": options.clients}
    about |= {"minutes": options.minutes, "cores": os.cpu_count(), "threads": options.threads or "default"}
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    head = {"date": time.strftime("%Y-%m-%d"), "facts": about}
    tail = {"versions": versions("torch", "fastapi", "uvicorn", "xllamacpp")}
    text = json.dumps({**head, "result": result, **tail}, indent=2)
    (RESULTS / "serve.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
