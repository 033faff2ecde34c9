# check_includes: holds the direction of includes that harness/README.md draws. Run by ctest:
#   cmake -DROOT=<project folder> -P check_includes.cmake
# Reads every C and CUDA file of the program and fails with one line per broken rule.
cmake_minimum_required(VERSION 3.16)

# What each room may include besides itself. A room not listed here is an error, too.
set(rooms main cli report run scenario frames transports access wait kernels measure env gpu base)
set(allowed_main cli run base) # run: a role is this program executed again
set(allowed_cli report run scenario transports access wait kernels measure env gpu base)
set(allowed_report measure env base)
set(allowed_run scenario transports access wait kernels measure env gpu base)
set(allowed_scenario transports access wait kernels measure gpu base)
# The library for other programs joins transports and waits by the session's own loop (see below).
set(allowed_frames run transports wait measure gpu base)
set(allowed_transports gpu base)
set(allowed_access transports gpu base) # access.h needs transport.h for the memory to register
set(allowed_kernels gpu base)
set(allowed_wait measure gpu base)
set(allowed_measure base)
set(allowed_env measure base)
set(allowed_gpu base)
set(allowed_base)

# Where a path belongs; empty for what is no room's.
function(room_of path result)
  set(room)
  if(path STREQUAL "harness/main.c")
    set(room main)
  elseif(path MATCHES "^harness/([a-z_]+)/")
    set(room ${CMAKE_MATCH_1})
  elseif(path MATCHES "^transports/access/")
    set(room access)
  elseif(path MATCHES "^transports/frames/")
    set(room frames)
  elseif(path MATCHES "^(transports|kernels)/")
    set(room ${CMAKE_MATCH_1})
  endif()
  set(${result} "${room}" PARENT_SCOPE)
endfunction()

set(broken)
file(GLOB_RECURSE files RELATIVE "${ROOT}"
  "${ROOT}/harness/*.[ch]" "${ROOT}/transports/*.[ch]" "${ROOT}/kernels/*.[ch]"
  "${ROOT}/harness/*.def" "${ROOT}/harness/*.cu" "${ROOT}/transports/*.cu" "${ROOT}/kernels/*.cu")
if(NOT files)
  message(FATAL_ERROR "no sources below ${ROOT}")
endif()
foreach(file ${files})
  room_of(${file} room)
  if(NOT room IN_LIST rooms)
    list(APPEND broken "${file}: no room of this name; add it to check_includes.cmake")
    continue()
  endif()
  set(joins)
  file(STRINGS "${ROOT}/${file}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
  foreach(line ${lines})
    string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]*)[>\"].*" "\\1;\\2" parts "${line}")
    list(GET parts 0 quote)
    list(GET parts 1 included)

    # CUDA is called from C only in harness/gpu; .cu files are CUDA's own.
    if(included MATCHES "^(cuda|nvml|nv[A-Z]|driver_types|device_launch|cooperative_groups)"
       AND NOT room STREQUAL gpu AND NOT file MATCHES "\\.cu$")
      list(APPEND broken "${file}: includes ${included}: only harness/gpu calls CUDA from C")
    endif()

    room_of("${included}" target)
    if(target STREQUAL "")
      if(quote STREQUAL "\"" AND NOT included MATCHES "^handoff_[a-z]+\\.h$")
        list(APPEND broken "${file}: includes \"${included}\": write the path from the project's root")
      endif()
      continue()
    endif()
    list(APPEND joins ${target})
    if(room STREQUAL frames AND target STREQUAL run
       AND NOT included MATCHES "^harness/run/(wait_loop|schedule_times)\\.h$")
      list(APPEND broken "${file}: includes ${included}: frames has wait_loop and schedule_times only")
    endif()
    if(NOT target STREQUAL room AND NOT target IN_LIST allowed_${room})
      list(APPEND broken "${file}: ${room} must not include ${included}")
    endif()
  endforeach()

  # Transports and waits meet in one place of run/; the rest of it has both through cell.h.
  if(room STREQUAL run AND transports IN_LIST joins AND wait IN_LIST joins
     AND NOT file MATCHES "^harness/run/wait_loop\\.[ch]$")
    list(APPEND broken "${file}: includes a transport's and a wait's header: only wait_loop joins them")
  endif()
endforeach()

if(broken)
  list(JOIN broken "\n  " text)
  message(FATAL_ERROR "includes that go the wrong way:\n  ${text}")
endif()
list(LENGTH files count)
message(STATUS "${count} files: every include goes the right way")
