"""Joins the text of conversation logs, as straightforwardly as it can be done: what the digest is
measured against."""

import json
import os
import sys


def text_of(content):
    if isinstance(content, str):
        return content
    parts = []
    for block in content or []:
        kind = block.get("type")
        if kind == "text":
            parts.append(block["text"])
        elif kind == "thinking":
            parts.append(block["thinking"])
        elif kind == "tool_use":
            parts.append(block["name"] + " " + json.dumps(block["input"])[:200])
        elif kind == "tool_result":
            parts.append(text_of(block.get("content"))[:400])
    return "\n\n".join(parts)


def main(source, target):
    os.makedirs(target)
    for folder, _, names in sorted(os.walk(source)):
        parts = []
        for name in sorted(names):
            if not name.endswith(".jsonl"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as lines:
                for line in lines:
                    message = json.loads(line).get("message")
                    if message:
                        parts.append(text_of(message.get("content")))
        if parts:
            with open(os.path.join(target, os.path.basename(folder) + ".md"), "w") as file:
                file.write("\n\n".join(parts))


main(sys.argv[1], sys.argv[2])
