# lib.sh: what scripts/bench and scripts/test share: steps with a log, packages, finding CUDA.
#
# Sourced with `root` (the project's folder), `log` (a file for the details) and `install` (yes or no)
# set. One line per step on the terminal; when a step fails, the end of the log and where the rest is.
# shellcheck shell=bash
: "${root:?}" "${log:?}" "${install:?}"

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }

# die MESSAGE [HINT]: ends the script with exit code 1, or $die_code.
die() {
  warn "error: $1"
  if [ -n "${2:-}" ]; then warn "hint:  $2"; fi
  exit "${die_code:-1}"
}

log_begin() {
  mkdir -p "$(dirname "$log")" || die "cannot write to $(dirname "$log")" "is the project's folder yours?"
  : > "$log"
}

# step NAME COMMAND…: runs the command with its output in the log. The line about it goes to standard
# error, like all chatter: standard output is for what the program prints.
step() {
  local name=$1 began=$SECONDS code=0
  shift
  printf '%-34s' "$name" >&2
  {
    printf '\n==> %s\n   ' "$name"
    printf ' %q' "$@"
    printf '\n'
  } >> "$log"
  "$@" >> "$log" 2>&1 < /dev/null || code=$?
  if [ "$code" -eq 0 ]; then
    printf ' ok      %3d s\n' $((SECONDS - began)) >&2
    return 0
  fi
  printf ' FAILED  %3d s\n' $((SECONDS - began)) >&2
  return "$code"
}

# must_step NAME COMMAND…: the same, and the script ends when it fails.
must_step() {
  local code=0
  step "$@" || code=$?
  if [ "$code" -ne 0 ]; then
    warn ""
    tail -n 25 "$log" | sed 's/^/    /' >&2
    warn ""
    die "the step \"$1\" failed (exit code $code)" "all of its output is in $log"
  fi
}

# ---- What is installed -----------------------------------------------------------------------------

have_command() { command -v "$1" > /dev/null 2>&1; }

# have_header FILE: can the compiler include it?
have_header() {
  if have_command cc; then
    printf '#include <%s>\n' "$1" | cc -E -x c - > /dev/null 2>&1
  else
    [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]
  fi
}

have_fuzzer() {
  have_command clang || return 1
  local folder code=0
  folder=$(mktemp -d) || return 1
  printf '%s\n' '#include <stddef.h>' '#include <stdint.h>' \
    'int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return (int)(size && !data); }' |
    clang -fsanitize=fuzzer,address -x c - -o "$folder/fuzzer" > /dev/null 2>&1 || code=$?
  rm -rf "$folder"
  return "$code"
}

have_python_venv() { have_command python3 && python3 -c 'import ensurepip, venv' > /dev/null 2>&1; }
have_python_headers() {
  have_command python3 && python3 -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' > /dev/null 2>&1
}

# want PACKAGE CHECK…: adds the package to `missing` unless the check succeeds.
# wish PACKAGE EFFECT CHECK…: the same for what can be done without; EFFECT says what is then lost.
missing=()
wished=()
effects=()
want() {
  local package=$1
  shift
  "$@" || missing+=("$package")
}
wish() {
  local package=$1 effect=$2
  shift 2
  "$@" || { wished+=("$package") && effects+=("$effect"); }
}

# What transports over libraries need, each only where its package exists: older systems lack some.
want_transport_libraries() {
  want_if_packaged libzmq3-dev have_header zmq.h
  want_if_packaged libnng-dev have_header nng/nng.h
  want_if_packaged libucx-dev have_header ucp/api/ucp.h
  want_if_packaged cyclonedds-dev have_header dds/dds.h
  want_if_packaged cyclonedds-tools have_command idlc
  want_if_packaged libiceoryx-binding-c-dev have_iceoryx_headers
  want_if_packaged iceoryx have_command iox-roudi
  want_if_packaged libssl-dev have_header openssl/hmac.h
}
have_iceoryx_headers() {
  local folder
  for folder in /usr/include/iceoryx/v* /usr/local/include/iceoryx/v*; do
    if [ -e "$folder/iceoryx_binding_c/publisher.h" ]; then return 0; fi
  done
  return 1
}

# want_if_packaged PACKAGE CHECK…: as `want`, but a package that this system does not offer is not
# missing; what it is for is then named as unavailable by handoff itself.
unpackaged=()
want_if_packaged() {
  local package=$1
  shift
  "$@" && return 0
  if package_exists "$package"; then missing+=("$package"); else unpackaged+=("$package"); fi
}
package_exists() {
  have_command apt-cache || return 1
  # A machine that is fresh has no lists yet: they are fetched before the question is asked.
  if [ "${package_lists_fresh:-no}" = no ] && can_install; then
    package_lists_fresh=yes
    apt_lists_exist || as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update > /dev/null 2>&1 || true
  fi
  apt-cache show --no-all-versions "$1" > /dev/null 2>&1
}
apt_lists_exist() { [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -print -quit 2> /dev/null)" ]; }

want_build_tools() {
  want build-essential have_command cc
  [ ${#missing[@]} -gt 0 ] || want build-essential have_command make
  want cmake have_command cmake
  want libcjson-dev have_header cjson/cJSON.h
  want zlib1g-dev have_header zlib.h
}

# With sudo where not root. sudo asks on the terminal, not in the log.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  as_root "${apt[@]}" install -y --no-install-recommends "$@" && return 0
  echo "Not found in the package lists as they are: bringing them up to date."
  as_root "${apt[@]}" update && as_root "${apt[@]}" install -y --no-install-recommends "$@"
}

can_install() {
  [ "$install" = yes ] && have_command apt-get && { [ "$(id -u)" -eq 0 ] || have_command sudo; }
}

# install_missing: installs what `missing` and `wished` name. Where that is not wanted or not possible,
# says what to install, and ends the script if it cannot go on without.
install_missing() {
  local command package i
  if can_install; then
    missing+=(${wished[@]+"${wished[@]}"})
    if [ ${#missing[@]} -gt 0 ]; then
      warn "installing: ${missing[*]}"
      must_step "install packages" apt_install "${missing[@]}"
    fi
    missing=() wished=() effects=()
    return 0
  fi
  for ((i = 0; i < ${#wished[@]}; i++)); do
    warn "note: ${wished[i]} is not installed: ${effects[i]}"
  done
  wished=() effects=()
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  package="missing: ${missing[*]}"
  command="apt-get install ${missing[*]}"
  if ! have_command apt-get; then
    die "$package (the names in Debian and Ubuntu), and this system has no apt" \
      "install a C compiler, make, CMake 3.16, and the development files of cJSON and zlib; for plots gnuplot; for scripts/test also cmocka, strace, spin, clang with its fuzzer and Python 3 with venv and headers"
  elif [ "$(id -u)" -eq 0 ]; then
    die "$package" "$command"
  elif have_command sudo; then
    die "$package" "sudo $command"
  fi
  die "$package, and there is no sudo to install it with" "as root: $command"
}

# ---- CUDA ------------------------------------------------------------------------------------------

# Puts nvcc on PATH when it lies in one of its usual places: Jetsons leave it off.
find_nvcc() {
  local candidate
  have_command nvcc && return 0
  for candidate in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /usr/local/cuda-* /opt/cuda \
    /opt/cuda-* /opt/nvidia/cuda* /opt/nvidia/hpc_sdk/Linux_*/*/cuda /usr/lib/cuda; do
    if [ -n "$candidate" ] && [ -x "$candidate/bin/nvcc" ]; then
      PATH="$candidate/bin:$PATH"
      export PATH
      return 0
    fi
  done
  return 1
}

# Prints how an NVIDIA GPU shows itself here; fails when none does.
find_gpu() {
  local device
  if [ -r /etc/nv_tegra_release ] || [ -e /dev/nvhost-gpu ] || [ -e /dev/nvhost-ctrl-gpu ]; then
    say "a Jetson's GPU"
    return 0
  fi
  if [ -r /proc/driver/nvidia/version ] || [ -e /dev/nvidia0 ]; then
    say "an NVIDIA GPU with its driver"
    return 0
  fi
  if [ -e /dev/dxg ] && [ -e /usr/lib/wsl/lib/libcuda.so.1 ]; then
    say "an NVIDIA GPU behind WSL"
    return 0
  fi
  for device in /sys/bus/pci/devices/*; do
    if [ "$(cat "$device/vendor" 2> /dev/null)" = 0x10de ]; then
      case $(cat "$device/class" 2> /dev/null) in
        0x03*)
          say "an NVIDIA GPU without its driver (PCI ${device##*/})"
          return 0
          ;;
      esac
    fi
  done
  return 1
}

# A GPU that will not be used is said, not hidden.
report_cuda() {
  local gpu
  if find_nvcc; then
    warn "CUDA: $(command -v nvcc)"
  elif gpu=$(find_gpu); then
    warn "note: there is $gpu, but no CUDA Toolkit (nvcc) on PATH, in /usr/local or in /opt:"
    warn "      the build goes on without the GPU. Jetson: sudo apt-get install nvidia-jetpack;"
    warn "      elsewhere install the CUDA Toolkit of your driver's version, then run this again."
  fi
}

# ---- Python ---------------------------------------------------------------------------------------

# A virtual environment of the project's own, since many systems' Python is managed by its packages.
# Made anew when the requirements or the interpreter changed.
python_environment() {
  local requirements="$root/tests/python/requirements.txt" stamp="$root/.venv/requirements.stamp" want
  want=$(python3 -VV && cat "$requirements" && echo "$root")
  if [ "$(cat "$stamp" 2> /dev/null)" = "$want" ]; then return 0; fi
  rm -rf "$root/.venv"
  python3 -m venv "$root/.venv"
  # Not compiled: most of it is never imported, and it would be half of the time.
  "$root/.venv/bin/python" -m pip install --no-compile --disable-pip-version-check -r "$requirements"
  printf '%s\n' "$want" > "$stamp"
}

# ---- Building --------------------------------------------------------------------------------------

jobs=$(nproc 2> /dev/null || echo 2)

# A build folder that was copied or moved along with the project still points at the old place.
forget_moved_build() {
  local cache="$1/CMakeCache.txt"
  if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
    rm -rf "$cache" "$1/CMakeFiles"
  fi
}

configure_build() {
  local folder=$1 generator=()
  shift
  forget_moved_build "$folder"
  # A folder keeps the generator that it was made with.
  if [ ! -e "$folder/CMakeCache.txt" ] && have_command ninja; then generator=(-G Ninja); fi
  cmake -S "$root" -B "$folder" ${generator[@]+"${generator[@]}"} "$@"
}

compile_build() {
  local folder=$1
  shift
  cmake --build "$folder" --parallel "$jobs" "$@"
}
