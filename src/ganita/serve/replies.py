"""Answers in the shapes that OpenAI clients read. `ganita` beside `choices` carries the steps and the answer."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from ganita.serve.engine import Job
from ganita.serve.limits import Refused


class Reply:
    """Builds the answer of one job, whole or piece by piece."""

    def __init__(self, job: Job, model: str, solver: Any) -> None:
        self.job, self.solver = job, solver
        self._chat = job.request.chat
        kind = "chat.completion" if self._chat else "text_completion"
        self._whole_kind = kind
        self._piece_kind = f"{kind}.chunk" if self._chat else kind
        prefix = "chatcmpl" if self._chat else "cmpl"
        self._head = {"id": f"{prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}

    def whole(self, solution: Any) -> dict[str, Any]:
        """Return the body of an answer that is not streamed."""
        content = (
            {"message": {"role": "assistant", "content": solution.text}} if self._chat else {"text": solution.text}
        )
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason(solution)}
        body = {**self._head, "object": self._whole_kind, "choices": [choice]}
        return {**body, "usage": self._usage(solution), "ganita": worked(solution)}

    def opening(self) -> str:
        """Return the first event of a chat stream, which names the role; nothing for completions."""
        return self._event({"delta": {"role": "assistant", "content": ""}}, None) if self._chat else ""

    def piece(self, text: str) -> str:
        """Return the event for a piece of text."""
        return self._event({"delta": {"content": text}} if self._chat else {"text": text}, None)

    def closing(self, solution: Any) -> str:
        """Return the last events of a stream."""
        content: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        return self._event(content, finish_reason(solution), ganita=worked(solution)) + "data: [DONE]\n\n"

    def _event(self, content: dict[str, Any], reason: str | None, **extra: Any) -> str:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason}
        return event({**self._head, "object": self._piece_kind, "choices": [choice], **extra})

    def _usage(self, solution: Any) -> dict[str, int]:
        """Count tokens; the completion's are those of its text, encoded anew."""
        num_new = len(self.solver.sampler.tokenizer.encode(solution.text))
        num_prompt = self.job.num_prompt_tokens
        return {"prompt_tokens": num_prompt, "completion_tokens": num_new, "total_tokens": num_prompt + num_new}


def event(body: dict[str, Any]) -> str:
    """Write one server-sent event. JSON holds no raw line breaks, so text cannot end it."""
    return f"data: {json.dumps(body)}\n\n"


def finish_reason(solution: Any) -> str:
    """Return OpenAI's word for how a solution ended."""
    return "length" if getattr(solution, "finished", "end") == "length" else "stop"


def worked(solution: Any) -> dict[str, Any]:
    """Return steps and answer."""
    return {"steps": list(solution.steps), "answer": solution.answer, "form": solution.form}


def error_body(refused: Refused) -> dict[str, Any]:
    """Return the body of an error answer, in OpenAI's shape."""
    kind = "invalid_request_error" if refused.status < 500 else "server_error"
    return {"error": {"message": refused.message, "type": kind, "param": refused.parameter, "code": refused.code}}
