"""Executors that bring a client of their own and know nothing but ``ctx.base_url``."""

import http.client
import json
import subprocess
import sys
import threading
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import openai

BODY = b'{"model": "m-a", "messages": [{"role": "user", "content": "hi"}]}'
ASK: Any = [{"role": "user", "content": "hi"}]
HEADERS = {"content-type": "application/json", "authorization": "Bearer my-own-key"}


def run(task, ctx):
    said = globals()["by_" + task.data["do"]](ctx)
    return {"outcome": "passed", "score": 1.0, "said": said, "url": ctx.base_url}


def by_urllib(ctx):
    request = urllib.request.Request(ctx.base_url + "/chat/completions", BODY, HEADERS)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())["choices"][0]["message"]["content"]


def by_socket(ctx):
    url = urlsplit(ctx.base_url)
    link = http.client.HTTPConnection(url.hostname, url.port)
    link.request("POST", url.path + "/chat/completions", BODY, HEADERS)
    return json.loads(link.getresponse().read())["choices"][0]["message"]["content"]


def by_openai(ctx):
    own = openai.OpenAI(base_url=ctx.base_url, api_key="mine", timeout=None, max_retries=5)
    said = own.chat.completions.create(model=ctx.model, messages=ASK)
    return said.choices[0].message.content


def by_thread(ctx):
    found = []
    thread = threading.Thread(target=lambda: found.append(by_urllib(ctx)))
    thread.start()
    thread.join()
    return found[0]


def by_process(ctx):
    code = (
        "import json, sys, urllib.request as u; r = u.Request(sys.argv[1], sys.argv[2].encode(),"
        "{'content-type': 'application/json'});"
        "print(json.loads(u.urlopen(r).read())['choices'][0]['message']['content'])"
    )
    url = ctx.base_url + "/chat/completions"
    done = subprocess.run(
        [sys.executable, "-c", code, url, BODY.decode()], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
