"""Stand-ins for packages that are not installed where the tests run."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from torch import nn


def install_pyiqa(monkeypatch: pytest.MonkeyPatch, network: type[nn.Module]) -> dict[str, Any]:
    """Install stand-ins for pyiqa and timm, and return what they will be asked for.

    Args:
        network: what pyiqa builds.
    """
    asked: dict[str, Any] = {}
    timm, package = ModuleType("timm"), ModuleType("pyiqa")

    def create_model(name: str, *, pretrained: bool) -> None:
        asked["part"] = name, pretrained

    def create_metric(name: str, **options: Any) -> SimpleNamespace:
        print("Loading pretrained model")
        timm.create_model("vit", pretrained=True)
        asked.update(options, name=name)
        return SimpleNamespace(net=network())

    vars(timm)["create_model"], vars(package)["create_metric"] = create_model, create_metric
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "pyiqa", package)
    return asked
