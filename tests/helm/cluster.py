# SPDX-License-Identifier: Apache-2.0
"""As much of a Kubernetes API server as Helm's `lookup` asks for: Secrets of one namespace."""
import http.server
import json
import os
import threading

KINDS = {"v1": ("Secret", "Service", "ServiceAccount", "ConfigMap", "Pod"), "apps/v1": ("Deployment",)}

# Marks of the release "rel", without which Helm takes an object for somebody else's.
OWNED = {"namespace": "ns", "labels": {"app.kubernetes.io/managed-by": "Helm"},
         "annotations": {"meta.helm.sh/release-name": "rel", "meta.helm.sh/release-namespace": "ns"}}


def resources(version):
    """What discovery says of a group and version."""
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
        {"name": kind.lower() + "s", "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get", "list"]}
        for kind in KINDS[version]]}


class Cluster(http.server.ThreadingHTTPServer):
    """Serves the Secrets of `secrets` ({name: data}) on loopback until shutdown()."""

    def __init__(self, version="1.35"):
        self.secrets = {}
        major, minor = version.split(".")
        fixed = {
            "/version": {"major": major, "minor": minor, "gitVersion": f"v{version}.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                 "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]},
            "/api/v1": resources("v1"),
            "/apis/apps/v1": resources("apps/v1"),
        }
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                name = path.rsplit("/", 1)[-1]
                answer = fixed.get(path)
                if answer is None and "/secrets/" in path and name in cluster.secrets:
                    answer = {"kind": "Secret", "apiVersion": "v1", "metadata": dict(OWNED, name=name),
                              "data": cluster.secrets[name]}
                body = json.dumps(answer or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                                             "message": f"{name} not found", "code": 404}).encode()
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def kubeconfig(self, folder):
        """Writes a configuration that leads here; its path."""
        path = os.path.join(folder, "kubeconfig")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "test",
                       "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
                       "users": [{"name": "test", "user": {}}],
                       "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "ns"}}]}, file)
        os.chmod(path, 0o600)
        return path
