# SPDX-License-Identifier: Apache-2.0
"""An application's HTTP server: judges hellos, takes webhooks, and can be slow, moody, gone and back. Standard library only."""

import http.server
import json
import socket
import threading
import time


class Post:
    """What came: header names in lower case."""

    def __init__(self, path, headers, body):
        self.at = time.monotonic()
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self.answered = None

    @property
    def json(self):
        return json.loads(self.body)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.app.connections.add(self.connection)

    def finish(self):
        self.server.app.connections.discard(self.connection)
        super().finish()

    def do_POST(self):  # pylint: disable=invalid-name
        app = self.server.app
        post = Post(self.path, self.headers, self.rfile.read(int(self.headers.get("Content-Length", 0))))
        with app.lock:
            app.posts.append(post)
        status, body, fields = app.answer(post)
        post.answered = status
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.do_POST()

    def log_message(self, *unused):  # pylint: disable=arguments-differ
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    app = None

    def handle_error(self, *unused):  # pylint: disable=arguments-differ
        """The other side may hang up, and stop() does."""


class Application:
    """`answer`, from a Post to a status, a body and header fields, may be replaced at any time; it is called in threads."""

    def __init__(self, answer):
        self.answer = answer
        self.posts, self.lock, self.connections = [], threading.Lock(), set()
        self.port, self.server = 0, None
        self.start()

    def start(self):
        """Listens; after stop() on the same port."""
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.app = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Refuses connections, and cuts those there are."""
        self.server.shutdown()
        self.server.server_close()
        for each in list(self.connections):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def of(self, path):
        with self.lock:
            return [post for post in self.posts if post.path == path]
