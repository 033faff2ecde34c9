# check_frames: libhandoff_frames builds alone, exports its ABI and nothing else, and its examples compile
# with one command each against what is installed, and hand over every frame. Run by ctest:
#   cmake -DFRAMES=<transports/frames> -DSCRATCH=<folder> -DLIBRARY=<the library of this build>
#         -DNM=<nm> -DCC=<C compiler> -DCXX=<C++ compiler or empty> -P check_frames.cmake
cmake_minimum_required(VERSION 3.16)

function(call)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${code}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# Every function that a header declares is there, and no other name is to be seen.
function(check_exports library)
  set(declared)
  foreach(header handoff_frames.h handoff_edge.h)
    file(READ "${FRAMES}/${header}" text)
    string(REGEX MATCHALL "HANDOFF_API [^(;]*[ *](handoff_[a-z0-9_]+)\\(" heads "${text}")
    foreach(head ${heads})
      string(REGEX REPLACE ".*[ *](handoff_[a-z0-9_]+)\\($" "\\1" name "${head}")
      list(APPEND declared ${name})
    endforeach()
  endforeach()
  call("${NM}" -D --defined-only "${library}")
  string(REGEX MATCHALL "[^\n]+" lines "${output}")
  set(exported)
  foreach(line ${lines})
    string(REGEX REPLACE ".* " "" name "${line}")
    string(REGEX REPLACE "@.*" "" name "${name}")
    list(APPEND exported ${name})
  endforeach()
  list(SORT declared)
  list(SORT exported)
  list(LENGTH declared count)
  if(count LESS 30 OR NOT declared STREQUAL exported)
    message(FATAL_ERROR "${library}\n declared: ${declared}\n exported: ${exported}")
  endif()
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
check_exports("${LIBRARY}")
call("${CMAKE_COMMAND}" -S "${FRAMES}" -B "${SCRATCH}/build" "-DCMAKE_C_COMPILER=${CC}"
  "-DCMAKE_INSTALL_PREFIX=${SCRATCH}/root" -DCMAKE_INSTALL_LIBDIR=lib
  -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS_DEBUG=-O0")
call("${CMAKE_COMMAND}" --build "${SCRATCH}/build" --parallel 2)
call("${CMAKE_COMMAND}" --build "${SCRATCH}/build" --target install)
check_exports("${SCRATCH}/root/lib/libhandoff_frames.so.1")
file(GLOB headers RELATIVE "${SCRATCH}/root/include" "${SCRATCH}/root/include/*")
if(NOT headers STREQUAL "handoff_frames.h" OR NOT EXISTS "${SCRATCH}/root/lib/pkgconfig/handoff_frames.pc")
  message(FATAL_ERROR "installed: ${headers}, or no handoff_frames.pc")
endif()

set(flags -Wall -Wextra -Wpedantic -Werror "-I${SCRATCH}/root/include" "-L${SCRATCH}/root/lib"
  "-Wl,-rpath,${SCRATCH}/root/lib")
call("${CC}" -std=c99 -D_POSIX_C_SOURCE=199309L "${FRAMES}/examples/reader.c" ${flags}
  -lhandoff_frames -o "${SCRATCH}/reader")
if(NOT CXX)
  message(STATUS "no C++ compiler: the example in C++ was not tried")
  return()
endif()
call("${CXX}" -std=c++11 "${FRAMES}/examples/writer.cpp" ${flags} -lhandoff_frames
  -o "${SCRATCH}/writer")
string(RANDOM LENGTH 12 name)
# Both at once, as in a pipe, though nothing flows through it: the reader waits for the writer.
execute_process(COMMAND "${SCRATCH}/writer" check-${name} 40 COMMAND "${SCRATCH}/reader" check-${name}
  RESULTS_VARIABLE codes OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 60)
if(NOT codes STREQUAL "0;0" OR NOT said STREQUAL "40 frames, the last of brightness 39\n")
  message(FATAL_ERROR "the examples ended with ${codes}: ${said}")
endif()
