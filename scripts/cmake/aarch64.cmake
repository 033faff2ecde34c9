# For building on another machine than the one it is for: aarch64 with Debian's cross compiler, tests
# under qemu's user emulation. scripts/aarch64-sysroot fetches the libraries into HANDOFF_SYSROOT.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

set(HANDOFF_SYSROOT "" CACHE PATH "Folder with cJSON, zlib and cmocka for aarch64")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HANDOFF_SYSROOT)
set(libraries "${HANDOFF_SYSROOT}/usr/lib/aarch64-linux-gnu")
set(CMAKE_FIND_ROOT_PATH "${HANDOFF_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_PATH "/usr/lib/aarch64-linux-gnu")

find_program(HANDOFF_QEMU qemu-aarch64)
set(CMAKE_CROSSCOMPILING_EMULATOR "${HANDOFF_QEMU}" -L /usr/aarch64-linux-gnu
  -E "LD_LIBRARY_PATH=${libraries}")
