"""Frames as arrays of the GPU, by CuPy or PyTorch, reading the segment itself."""

import importlib
from typing import Any, Callable, Dict, List, Tuple

from . import _cuda
from ._errors import Invalid, Unavailable

INSTALL = {
    "cupy": "pip install cupy-cuda12x (or the one of your CUDA version)",
    "torch": "pip install torch, a build with CUDA",
}


def load(name: str) -> Any:
    """The module cupy or torch, which must see a GPU."""
    if name not in INSTALL:
        raise Invalid('"%s" is no library of GPU arrays' % name, 'use "cupy" or "torch"')
    try:
        module = importlib.import_module(name)
    except ImportError as problem:
        raise Unavailable("%s does not load: %s" % (name, problem), INSTALL[name]) from None
    seen = module.cuda.is_available()
    if not seen:
        raise Unavailable("%s %s sees no GPU" % (name, module.__version__), INSTALL[name])
    return module


def maker(name: str) -> Callable[[_cuda.DeviceBytes], Any]:
    """What makes an array of the library over such memory, without a copy."""
    module = load(name)
    if name == "cupy":
        return _checked(module.asarray, lambda array: array.data.ptr)
    return _checked(
        lambda memory: module.as_tensor(memory, device="cuda"), lambda array: array.data_ptr()
    )


def _checked(
    make: Callable[[Any], Any], address_of: Callable[[Any], int]
) -> Callable[[_cuda.DeviceBytes], Any]:
    def checked(memory: _cuda.DeviceBytes) -> Any:
        array = make(memory)
        if address_of(array) != memory.address:
            raise Unavailable("the library copied the frame instead of taking it where it is")
        return array

    return checked


class DeviceSlots:
    """The slots of a segment, registered once each, and what each library made of them."""

    def __init__(self, owner: object, views: List[Any]) -> None:
        self._owner = owner
        self._views = views
        self._slots: Dict[int, _cuda.Registration] = {}
        self._arrays: Dict[Tuple[str, int], Any] = {}
        self._makers: Dict[str, Callable[[_cuda.DeviceBytes], Any]] = {}

    def array(self, name: str, slot: int) -> Any:
        """The slot as an array of cupy or torch: the same one each time."""
        found = self._arrays.get((name, slot))
        if found is not None:
            return found
        make = self._makers.get(name)
        if make is None:
            make = self._makers[name] = maker(name)
        view = self._views[slot]
        registered = self._slots.get(slot)
        if registered is None:
            address: int = view.__array_interface__["data"][0]
            registered = _cuda.Registration(self._owner, address, view.nbytes)
            self._slots[slot] = registered
        memory = _cuda.DeviceBytes(registered, registered.device_address, view.shape)
        made = self._arrays[name, slot] = make(memory)
        return made

    def synchronize(self) -> None:
        """Waits until the GPU has done all that this process gave it."""
        _cuda.driver().synchronize()
