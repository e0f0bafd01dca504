"""A Hugging Face hub on the loopback: what its client libraries ask for, served from folders.

A repo is a folder, `<root>/models/<id>` or `<root>/datasets/<id>`, and has one commit: a hash of
what lies in it, so that changing a file moves `main`. Large files lie elsewhere, as on the real
hub: a request for one is answered by a redirect.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".parquet")
_API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<id>.+?)"
    r"(?:/(?P<verb>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.*))?)?"
)
_FILE = re.compile(
    r"/(?P<kind>datasets/)?(?P<id>[^/]+(?:/[^/]+)?)"
    r"/(?P<verb>resolve|large)/(?P<revision>[^/]+)/(?P<path>.+)"
)


class RefusedError(Exception):
    """An error as the hub answers it: a status, and a code that its client library understands."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Repo:
    folder: Path

    @property
    def files(self) -> list[str]:
        paths = self.folder.rglob("*")
        return sorted(p.relative_to(self.folder).as_posix() for p in paths if p.is_file())

    @property
    def commit(self) -> str:
        parts = [f"{name} {self.etag(name)}" for name in self.files]
        return hashlib.sha1("\n".join(parts).encode()).hexdigest()

    def etag(self, name: str) -> str:
        content = (self.folder / name).read_bytes()
        if name.endswith(LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # git's own

    def describe(self, name: str) -> dict[str, Any]:
        size, etag = (self.folder / name).stat().st_size, self.etag(name)
        large = {"lfs": {"oid": etag, "size": size, "pointerSize": 130}}
        oid = hashlib.sha1(etag.encode()).hexdigest()
        return {"type": "file", "path": name, "size": size, "oid": oid} | (
            large if name.endswith(LARGE) else {}
        )

    def below(self, path: str, *, recursive: bool) -> list[dict[str, Any]]:
        """The files and folders below a folder; those further down too, if so asked."""
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        below = [name.removeprefix(prefix) for name in self.files if name.startswith(prefix)]
        if prefix and not below:
            raise RefusedError(404, "EntryNotFound")
        folders = {parent.as_posix() for name in below for parent in list(Path(name).parents)[:-1]}
        shown = [name for name in below if recursive or "/" not in name]
        return [
            {"type": "directory", "path": prefix + name, "size": 0, "oid": "0" * 40}
            for name in sorted(folders)
            if recursive or "/" not in name
        ] + [self.describe(prefix + name) for name in shown]


@dataclass
class HubServer:
    """Serves the repos below a folder, until the end of a with block.

    Attributes:
        moved: repos by their former id, which the hub answers with a redirect.
        gated: repos of which the files are refused.
        broken: answer everything with this status, as a hub that is down does.
        log: the requests that were answered, "GET /api/models/..." and the like.
    """

    root: Path
    moved: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    broken: int | None = None
    log: list[str] = field(default_factory=list)

    def __enter__(self) -> HubServer:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def repo(self, kind: str, repo_id: str, revision: str | None) -> Repo:
        folder = self.root / kind / repo_id
        if not folder.is_dir():
            raise RefusedError(401, "RepoNotFound")  # as it answers those who are not logged in
        repo = Repo(folder)
        if revision not in (None, "main", repo.commit):
            raise RefusedError(404, "RevisionNotFound")
        return repo


class _Handler(BaseHTTPRequestHandler):
    """One connection; answers are looked up in `hub`."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr; the hub keeps its own log."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        self.hub.log.append(f"{self.command} {self.path}")
        try:
            self._dispatch(unquote(url.path), parse_qs(url.query), body)
        except RefusedError as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.code}
            self._send(refused.status, json.dumps({"error": refused.code}).encode(), headers)

    def _dispatch(self, path: str, query: dict[str, list[str]], body: str) -> None:
        if self.hub.broken is not None:
            raise RefusedError(self.hub.broken, "Unavailable")
        for pattern, answer in ((_API, self._api), (_FILE, self._file)):
            match = pattern.fullmatch(path)
            if match is None:
                continue
            former = match["id"]
            if former in self.hub.moved:
                location = self.path.replace(former, self.hub.moved[former], 1)
                self._send(307, b"", {"Location": location})
                return
            answer(match, query, body)
            return
        raise RefusedError(404, "EntryNotFound")

    def _api(self, match: re.Match[str], query: dict[str, list[str]], body: str) -> None:
        repo = self.hub.repo(match["kind"], match["id"], match["revision"])
        if match["verb"] == "tree":
            recursive = query.get("recursive", ["false"])[0].lower() in ("true", "1")
            self._send_json(repo.below(match["path"] or "", recursive=recursive))
        elif match["verb"] == "paths-info":
            asked = _paths(body)
            self._send_json([repo.describe(name) for name in asked if name in repo.files])
        else:
            gated = "auto" if match["id"] in self.hub.gated else False
            self._send_json(
                {
                    "id": match["id"],
                    "sha": repo.commit,
                    "private": False,
                    "gated": gated,
                    "disabled": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "lastModified": "2024-05-01T00:00:00.000Z",
                    "siblings": [{"rfilename": name} for name in repo.files],
                }
            )

    def _file(self, match: re.Match[str], query: dict[str, list[str]], body: str) -> None:
        kind = (match["kind"] or "models/").rstrip("/")
        repo, name = self.hub.repo(kind, match["id"], match["revision"]), match["path"]
        if match["id"] in self.hub.gated:
            raise RefusedError(403, "GatedRepo")
        headers = {"X-Repo-Commit": repo.commit, "Accept-Ranges": "bytes"}
        if name not in repo.files:
            headers["X-Error-Code"] = "EntryNotFound"
            self._send(404, b"Entry not found", headers)
            return
        content, etag = (repo.folder / name).read_bytes(), f'"{repo.etag(name)}"'
        if match["verb"] == "resolve" and name.endswith(LARGE):
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
            headers["Location"] = self.hub.url + self.path.replace("/resolve/", "/large/", 1)
            self._send(302, b"", headers)
            return
        self._send_range(content, headers | {"ETag": etag})

    def _send_range(self, content: bytes, headers: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self._send(200, content, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        if first >= len(content):
            self._send(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers)

    def _send_json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _paths(body: str) -> list[str]:
    """The paths of a paths-info request, whose body is a form or JSON."""
    asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
    return [asked] if isinstance(asked, str) else list(asked)
