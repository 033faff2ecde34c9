# HandoffCuda.cmake: finds the CUDA Toolkit, or says why the build goes on without it.
#
# Included by the root CMakeLists.txt. HANDOFF_CUDA=AUTO uses a toolkit that works, ON demands one,
# OFF does not look. Sets HANDOFF_CUDA_FOUND, HANDOFF_CUDA_NVCC, HANDOFF_CUDA_VERSION and, when found,
# makes the target handoff_cuda (headers and the static runtime, which opens the driver only when
# used, so that the same binary runs on machines without a driver).
#
# By hand instead of FindCUDAToolkit, which CMake 3.16 lacks, and since Jetsons leave nvcc off PATH.
set(HANDOFF_CUDA_MINIMUM 11.4)
set(HANDOFF_CUDA_FOUND FALSE)

# nvcc's folder, where it is kept; the newest of several versions first.
function(handoff_cuda_folders result)
  file(GLOB versioned LIST_DIRECTORIES TRUE /usr/local/cuda-[0-9]* /opt/cuda-[0-9]*)
  set(sorted)
  while(versioned)
    set(newest)
    set(newest_version -1)
    foreach(folder ${versioned})
      string(REGEX REPLACE ".*-" "" version "${folder}")
      if(version VERSION_GREATER newest_version)
        set(newest "${folder}")
        set(newest_version "${version}")
      endif()
    endforeach()
    if(NOT newest)
      break()
    endif()
    list(APPEND sorted "${newest}/bin")
    list(REMOVE_ITEM versioned "${newest}")
  endwhile()
  set(${result} /usr/local/cuda/bin ${sorted} /opt/cuda/bin PARENT_SCOPE)
endfunction()

# Sets `reason` when something is missing; the rest on success.
function(handoff_cuda_find reason)
  handoff_cuda_folders(folders)
  if(DEFINED ENV{CUDACXX})
    set(HANDOFF_CUDA_NVCC "$ENV{CUDACXX}" CACHE FILEPATH "The CUDA compiler")
  endif()
  find_program(HANDOFF_CUDA_NVCC nvcc
    HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin
    DOC "The CUDA compiler")
  find_program(HANDOFF_CUDA_NVCC nvcc PATHS ${folders})
  if(NOT HANDOFF_CUDA_NVCC)
    set(${reason} "nvcc is neither on PATH nor in /usr/local/cuda*/bin or /opt/cuda*/bin" PARENT_SCOPE)
    return()
  endif()

  execute_process(COMMAND "${HANDOFF_CUDA_NVCC}" --version
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE failed)
  if(failed OR NOT output MATCHES "release ([0-9]+\\.[0-9]+)")
    set(${reason} "${HANDOFF_CUDA_NVCC} --version does not work (${failed})" PARENT_SCOPE)
    return()
  endif()
  set(version "${CMAKE_MATCH_1}")
  if(version VERSION_LESS HANDOFF_CUDA_MINIMUM)
    set(${reason} "${HANDOFF_CUDA_NVCC} is CUDA ${version}, older than ${HANDOFF_CUDA_MINIMUM}"
      PARENT_SCOPE)
    return()
  endif()

  # nvcc may be a link or a distribution's wrapper: it says itself where its toolkit is.
  get_filename_component(real "${HANDOFF_CUDA_NVCC}" REALPATH)
  get_filename_component(root "${real}/../.." ABSOLUTE)
  execute_process(COMMAND "${HANDOFF_CUDA_NVCC}" -v handoff_where_is_the_toolkit
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE ignored)
  if(output MATCHES "#\\$ TOP=([^\r\n]+)")
    get_filename_component(root "${CMAKE_MATCH_1}" ABSOLUTE BASE_DIR "${real}/..")
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(targets targets/aarch64-linux targets/sbsa-linux)
  else()
    set(targets targets/x86_64-linux)
  endif()
  set(library_folders lib64 lib)
  set(include_folders include)
  foreach(target ${targets})
    list(APPEND library_folders ${target}/lib)
    list(APPEND include_folders ${target}/include)
  endforeach()
  find_path(HANDOFF_CUDA_INCLUDE_DIR cuda_runtime_api.h
    HINTS "${root}" PATH_SUFFIXES ${include_folders})
  find_library(HANDOFF_CUDA_RUNTIME libcudart_static.a
    HINTS "${root}" PATH_SUFFIXES ${library_folders})
  if(NOT HANDOFF_CUDA_INCLUDE_DIR OR NOT HANDOFF_CUDA_RUNTIME)
    set(${reason} "CUDA ${version} in ${root} lacks cuda_runtime_api.h or libcudart_static.a"
      PARENT_SCOPE)
    return()
  endif()

  # With several versions installed, headers must be those of this nvcc.
  file(STRINGS "${HANDOFF_CUDA_INCLUDE_DIR}/cuda_runtime_api.h" line REGEX "define CUDART_VERSION")
  string(REGEX REPLACE "[^0-9]+([0-9]+)[0-9][0-9][0-9].*" "\\1" header_major "${line}")
  string(REGEX REPLACE "[^0-9]+[0-9]+[0-9]([0-9])[0-9].*" "\\1" header_minor "${line}")
  if(NOT version VERSION_EQUAL "${header_major}.${header_minor}")
    set(${reason} "${HANDOFF_CUDA_NVCC} is CUDA ${version}, but the headers found in \
${HANDOFF_CUDA_INCLUDE_DIR} are of ${header_major}.${header_minor}" PARENT_SCOPE)
    return()
  endif()

  set(libraries "${HANDOFF_CUDA_RUNTIME}" ${CMAKE_DL_LIBS} Threads::Threads rt)
  set(source "${CMAKE_BINARY_DIR}/CMakeFiles/handoff_cuda_check.c")
  file(WRITE "${source}" "#include <cuda_runtime_api.h>\n"
    "int main(void) { int version; return (int)cudaRuntimeGetVersion(&version); }\n")
  try_compile(HANDOFF_CUDA_WORKS "${CMAKE_BINARY_DIR}/CMakeFiles/handoff_cuda_check"
    SOURCES "${source}" LINK_LIBRARIES ${libraries}
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${HANDOFF_CUDA_INCLUDE_DIR}" OUTPUT_VARIABLE output)
  if(NOT HANDOFF_CUDA_WORKS)
    set(${reason} "a program of one call does not build with CUDA ${version} in ${root}:\n${output}"
      PARENT_SCOPE)
    return()
  endif()

  add_library(handoff_cuda INTERFACE)
  target_include_directories(handoff_cuda SYSTEM INTERFACE "${HANDOFF_CUDA_INCLUDE_DIR}")
  target_link_libraries(handoff_cuda INTERFACE ${libraries})
  set(HANDOFF_CUDA_VERSION "${version}" PARENT_SCOPE)
  set(HANDOFF_CUDA_ROOT "${root}" PARENT_SCOPE)
  set(HANDOFF_CUDA_FOUND TRUE PARENT_SCOPE)
endfunction()

string(TOUPPER "${HANDOFF_CUDA}" handoff_cuda_wanted)
if(handoff_cuda_wanted STREQUAL "OFF")
  message(STATUS "CUDA: not used (HANDOFF_CUDA=OFF)")
elseif(NOT handoff_cuda_wanted MATCHES "^(AUTO|ON)$")
  message(FATAL_ERROR "HANDOFF_CUDA is \"${HANDOFF_CUDA}\", but must be AUTO, ON or OFF")
else()
  set(handoff_cuda_remedy "Install the CUDA Toolkit (${HANDOFF_CUDA_MINIMUM} or newer; on a Jetson: \
apt-get install nvidia-jetpack), or name its compiler with -DHANDOFF_CUDA_NVCC=/path/to/nvcc")
  handoff_cuda_find(handoff_cuda_reason)
  if(HANDOFF_CUDA_FOUND)
    message(STATUS "CUDA: ${HANDOFF_CUDA_VERSION} in ${HANDOFF_CUDA_ROOT}")
  elseif(handoff_cuda_wanted STREQUAL "ON")
    message(FATAL_ERROR "HANDOFF_CUDA=ON, but there is no usable CUDA Toolkit: \
${handoff_cuda_reason}.\n${handoff_cuda_remedy}, or use -DHANDOFF_CUDA=OFF.")
  elseif(EXISTS /dev/nvidiactl OR EXISTS /proc/driver/nvidia/version OR EXISTS /dev/nvhost-gpu
      OR EXISTS /etc/nv_tegra_release)
    message(WARNING "This machine has an NVIDIA GPU, which this build cannot use: \
${handoff_cuda_reason}.\n${handoff_cuda_remedy}.")
  else()
    message(STATUS "CUDA: not used: ${handoff_cuda_reason}")
  endif()
endif()
