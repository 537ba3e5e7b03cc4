# SPDX-License-Identifier: Apache-2.0
"""What is looked at in rendered manifests, beside their schemas."""
import base64
import re

import yaml

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


class Strict(yaml.SafeLoader):
    """Refuses a key that is there twice."""


def mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=deep) for key, _ in node.value]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"twice at line {node.start_mark.line + 1}: {', '.join(sorted(twice))}")
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def load(text):
    return [one for one in yaml.load_all(text, Loader=Strict) if one]


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def pods(objects):
    """[(name, pod template or pod)]"""
    out = [(one["metadata"]["name"], one["spec"]["template"]) for one in of_kind(objects, "Deployment", "DaemonSet")]
    return out + [(one["metadata"]["name"], one) for one in of_kind(objects, "Pod")]


def restricted(pod):
    """What of a pod the profile `restricted` refuses."""
    spec, out = pod["spec"], []
    at_pod = spec.get("securityContext", {})
    out += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        out += [f"volume {kind}" for kind in set(volume) - {"name"} - VOLUMES]
    for container in spec["containers"] + spec.get("initContainers", []):
        mine = container.get("securityContext", {})
        name = container["name"]

        def effective(key, mine=mine):
            return mine.get(key, at_pod.get(key))

        capabilities = mine.get("capabilities", {})
        checks = {
            "privileged": mine.get("privileged", False) is False,
            "allowPrivilegeEscalation": mine.get("allowPrivilegeEscalation") is False,
            "capabilities": "ALL" in capabilities.get("drop", []) and
                            set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": effective("runAsNonRoot") is True,
            "runAsUser": effective("runAsUser") != 0,
            "seccompProfile": (effective("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"),
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        }
        out += [f"{name}: {key}" for key, good in checks.items() if not good]
    return out


def dangling(objects):
    """Services that select nothing or name ports that no container has; volumes and Secrets that are not there."""
    out = []
    workloads = of_kind(objects, "Deployment", "DaemonSet")
    for service in of_kind(objects, "Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        chosen = [pod for _, pod in pods(objects) if spec["selector"].items() <= pod["metadata"]["labels"].items()]
        if len(chosen) != 1:
            out.append(f"{name} selects {len(chosen)} pods")
            continue
        ports = {(port["name"], port["protocol"]) for port in chosen[0]["spec"]["containers"][0]["ports"]}
        out += [f"{name}: {port['name']}" for port in spec["ports"] if (port["targetPort"], port["protocol"]) not in ports]
    for workload in workloads:
        template = workload["spec"]["template"]
        if not workload["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
            out.append("the selector does not match the pods")
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        for container in template["spec"]["containers"]:
            out += [f"no volume {m['name']}" for m in container.get("volumeMounts", []) if m["name"] not in volumes]
        for volume in volumes.values():
            made = [one for one in of_kind(objects, "Secret")
                    if one["metadata"]["name"] == volume.get("secret", {}).get("secretName")]
            for secret in made:
                keys = {item["key"] for item in volume["secret"].get("items", [])}
                if keys != set(secret["data"]):
                    out.append(f"the Secret has {sorted(secret['data'])}, the pod mounts {sorted(keys)}")
    return out


def leaks(objects):
    """Objects other than Secrets that have a value of a Secret in them."""
    values = {line for secret in of_kind(objects, "Secret") for value in secret["data"].values()
              for line in base64.b64decode(value).decode().splitlines() if len(line) > 4}
    values |= {value.split(":", 1)[1] for value in values if re.fullmatch(r"\w+:\w{5,}", value)}
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects if one["kind"] != "Secret"
            for value in values if value in yaml.safe_dump(one, width=10**6)]
