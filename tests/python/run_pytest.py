"""Runs pytest for ctest: `run_pytest.py FILE`.

Exit code 77, which ctest shows as skipped, when a package is missing or pytest skipped every test;
in CI a missing package is a failure, so that nobody takes a skipped test for a passed one.
"""
import importlib
import os
import sys

PACKAGES = {"pytest": "pytest", "hdrh.histogram": "hdrhistogram", "jsonschema": "jsonschema",
            "benchadapt": "benchadapt", "junitparser": "junitparser",
            "cmarkgfm": "cmarkgfm", "numpy": "numpy", "zmq": "pyzmq", "mypy": "mypy",
            "ruff": "ruff"}


def missing_packages():
    missing = []
    for module, package in PACKAGES.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(package)
    return missing


def main():
    missing = missing_packages()
    if missing:
        print("missing Python packages: " + ", ".join(missing))
        print("hint: %s -m pip install -r tests/python/requirements.txt" % sys.executable)
        return 1 if os.environ.get("CI") else 77
    import pytest

    class Counter:
        passed = 0
        skipped = 0

        def pytest_runtest_logreport(self, report):
            self.passed += report.when == "call" and report.passed
            self.skipped += report.skipped

    counter = Counter()
    code = pytest.main(["-q", "-p", "no:cacheprovider"] + sys.argv[1:], plugins=[counter])
    if code == 0 and counter.passed == 0 and counter.skipped and not os.environ.get("CI"):
        return 77
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
