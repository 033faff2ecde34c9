"""The CUDA driver by ctypes: what makes a segment's memory readable for the GPU, and nothing more.

CuPy and PyTorch take an array over memory that is there (__cuda_array_interface__), but neither has
all of the calls that make it reachable: cuMemHostRegister page-locks the mapping once, and from
then on kernels read the frames where the writer put them. All share the device's primary context
with whatever library is used, so its version does not matter. The first visible GPU is meant.
"""

import ctypes
from typing import Any, Dict, List, Optional, Tuple

from ._errors import Invalid, Unavailable

LIBRARY = "libcuda.so.1"
PAGE_BYTES = 4096

_REGISTER_PORTABLE = 1
_REGISTER_MAPPED = 2
# Returned at the end of the process, when the driver has gone first.
_DEINITIALIZED = 4
# CU_CTX_SCHED_*: how a thread waits for the GPU.
SCHEDULES: Dict[str, int] = {"spin": 1, "yield": 2, "block": 4}
_SCHEDULE_MASK = 7
ATTRIBUTE_MPS_ENABLED = 133

_INT = ctypes.c_int
_UINT = ctypes.c_uint
_SIZE = ctypes.c_size_t
_POINTER = ctypes.c_void_p
_OUT = ctypes.c_void_p

_FUNCTIONS: List[Tuple[str, List[Any]]] = [
    ("cuInit", [_UINT]),
    ("cuDeviceGetCount", [_OUT]),
    ("cuDeviceGet", [_OUT, _INT]),
    ("cuDeviceGetAttribute", [_OUT, _INT, _INT]),
    ("cuDevicePrimaryCtxSetFlags_v2", [_INT, _UINT]),
    ("cuDevicePrimaryCtxGetState", [_INT, _OUT, _OUT]),
    ("cuDevicePrimaryCtxRetain", [_OUT, _INT]),
    ("cuCtxPushCurrent_v2", [_POINTER]),
    ("cuCtxPopCurrent_v2", [_OUT]),
    ("cuCtxSynchronize", []),
    ("cuMemHostRegister_v2", [_POINTER, _SIZE, _UINT]),
    ("cuMemHostUnregister", [_POINTER]),
    ("cuMemHostGetDevicePointer_v2", [_OUT, _POINTER, _UINT]),
    ("cuGetErrorString", [_INT, _OUT]),
]

_HINT_NO_GPU = "use frame.array, or run on a machine with an NVIDIA GPU and its driver"


class Driver:
    """The driver, and the first GPU's primary context, which stays for as long as the process."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
            for name, arguments in _FUNCTIONS:
                function = getattr(self._library, name)
                function.restype, function.argtypes = _INT, arguments
        except (OSError, AttributeError) as problem:
            raise Unavailable("no NVIDIA driver: %s" % problem, _HINT_NO_GPU) from None
        self._call("cuInit", 0)
        count, device = _INT(), _INT()
        self._call("cuDeviceGetCount", ctypes.addressof(count))
        if count.value < 1:
            raise Unavailable("the NVIDIA driver shows no GPU", _HINT_NO_GPU)
        self._call("cuDeviceGet", ctypes.addressof(device), 0)
        self._device = device.value
        self._context: Optional[int] = None

    def _call(self, name: str, *arguments: Any) -> None:
        error: int = getattr(self._library, name)(*arguments)
        if error:
            raise Unavailable("%s: %s" % (name, self._words(error)), _HINT_NO_GPU)

    def _words(self, error: int) -> str:
        text = ctypes.c_char_p()
        if self._library.cuGetErrorString(error, ctypes.addressof(text)) or not text.value:
            return "error %d" % error
        return "%s (%d)" % (text.value.decode("utf-8", "replace"), error)

    def set_schedule(self, sync: str) -> None:
        """How threads of this process wait for the GPU; before anything makes the context."""
        self._call("cuDevicePrimaryCtxSetFlags_v2", self._device, SCHEDULES[sync])

    def schedule(self) -> str:
        """What it is; "auto" where nobody has chosen."""
        flags, active = _UINT(), _INT()
        self._call(
            "cuDevicePrimaryCtxGetState",
            self._device,
            ctypes.addressof(flags),
            ctypes.addressof(active),
        )
        found = flags.value & _SCHEDULE_MASK
        return next((name for name, flag in SCHEDULES.items() if flag == found), "auto")

    def attribute(self, number: int) -> int:
        """A CUdevice_attribute; -1 where this driver does not know it."""
        value = _INT()
        error = self._library.cuDeviceGetAttribute(ctypes.addressof(value), number, self._device)
        return -1 if error else value.value

    def open(self) -> None:
        """Makes the primary context, where no library has; takes up to seconds."""
        if self._context is None:
            context = _POINTER()
            self._call("cuDevicePrimaryCtxRetain", ctypes.addressof(context), self._device)
            self._context = context.value or 0

    def _in_context(self, name: str, *arguments: Any) -> None:
        """A call in the primary context, whichever the thread has."""
        self.open()
        self._call("cuCtxPushCurrent_v2", self._context)
        try:
            self._call(name, *arguments)
        finally:
            before = _POINTER()
            self._library.cuCtxPopCurrent_v2(ctypes.addressof(before))

    def synchronize(self) -> None:
        """Waits until the GPU has done all that this process gave it."""
        self._in_context("cuCtxSynchronize")

    def register(self, address: int, size: int) -> int:
        """Page-locks memory and says where kernels find it; takes milliseconds for tens of MB."""
        if address % PAGE_BYTES:
            raise Invalid("memory at %#x is not at the beginning of a page" % address)
        whole = (size + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES
        flags = _REGISTER_PORTABLE | _REGISTER_MAPPED
        self._in_context("cuMemHostRegister_v2", address, whole, flags)
        device = ctypes.c_uint64()
        try:
            self._in_context("cuMemHostGetDevicePointer_v2", ctypes.addressof(device), address, 0)
        except Unavailable:
            self.unregister(address)
            raise
        return device.value

    def unregister(self, address: int) -> None:
        """The opposite, once the GPU is idle. Never fails: what is left goes with the process."""
        try:
            self._in_context("cuCtxSynchronize")
            self._in_context("cuMemHostUnregister", address)
        except Unavailable:
            pass


class DeviceBytes:
    """Memory that the GPU reads, as CuPy and PyTorch take it: cupy.asarray(it), torch.as_tensor(it,
    device="cuda"), both without a copy. `owner` lives for as long as an array of it does."""

    def __init__(
        self, owner: object, address: int, shape: Tuple[int, ...], typestr: str = "|u1"
    ) -> None:
        self.owner = owner
        self.address = address
        self.__cuda_array_interface__ = {
            "version": 3,
            "typestr": typestr,
            "shape": shape,
            "data": (address, False),
            "strides": None,
            "stream": None,
        }


class Registration:
    """A piece of memory, registered until nothing refers to it; `owner` keeps it mapped."""

    def __init__(self, owner: object, address: int, size: int) -> None:
        self.owner = owner
        self._address = 0
        self._driver = driver()
        self.device_address = self._driver.register(address, size)
        self._address = address

    def __del__(self) -> None:
        if self._address:
            self._driver.unregister(self._address)
            self._address = 0


_driver: Optional[Driver] = None


def driver() -> Driver:
    """The driver, loaded once. Raises Unavailable where there is none, or no GPU."""
    global _driver
    if _driver is None:
        _driver = Driver()
    return _driver
