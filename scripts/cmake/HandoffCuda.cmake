# HandoffCuda.cmake: finds the CUDA Toolkit, or says why the build goes on without it.
#
# Included by the root CMakeLists.txt. HANDOFF_CUDA=AUTO uses a toolkit that works, ON demands one,
# OFF does not look. Sets HANDOFF_CUDA_FOUND, HANDOFF_CUDA_NVCC, HANDOFF_CUDA_VERSION and, when found,
# makes the target handoff_cuda (headers and the static runtime, which opens the driver only when
# used, so that the same binary runs on machines without a driver) and handoff_cuda_sources().
#
# The toolkit may be an installed one or the Python wheels (nvidia-cuda-nvcc and its like), whose
# folders are laid out alike: HANDOFF_CUDA_NVCC=/path/to/nvcc is enough for either.
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

# The C++ compilers that nvcc may use for the host's half, best first: the one beside the C compiler,
# then older ones, since nvcc refuses those newer than itself.
function(handoff_cuda_host_compilers result)
  get_filename_component(name "${CMAKE_C_COMPILER}" NAME)
  get_filename_component(folder "${CMAKE_C_COMPILER}" DIRECTORY)
  if(name STREQUAL "cc")
    set(name c++)
  else()
    string(REGEX REPLACE "(^|-)gcc" "\\1g++" name "${name}")
    string(REGEX REPLACE "(^|-)clang" "\\1clang++" name "${name}")
  endif()
  set(found)
  foreach(candidate "${folder}/${name}" "${name}" g++ c++ g++-14 g++-13 g++-12 g++-11 g++-10 g++-9
      clang++)
    find_program(handoff_cuda_candidate NAMES "${candidate}")
    if(handoff_cuda_candidate)
      list(APPEND found "${handoff_cuda_candidate}")
    endif()
    unset(handoff_cuda_candidate CACHE)
  endforeach()
  if(found)
    list(REMOVE_DUPLICATES found)
  endif()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

# Sets HANDOFF_CUDA_HOST_COMPILER to one that nvcc works with, or `reason`. The answer is kept.
function(handoff_cuda_find_host reason)
  if(HANDOFF_CUDA_HOST_COMPILER AND "${HANDOFF_CUDA_HOST_COMPILER_OF}" STREQUAL
      "${HANDOFF_CUDA_NVCC} ${HANDOFF_CUDA_HOST_COMPILER}")
    return()
  endif()
  set(candidates ${HANDOFF_CUDA_HOST_COMPILER})
  if(NOT candidates)
    handoff_cuda_host_compilers(candidates)
  endif()
  if(NOT candidates)
    set(${reason} "nvcc needs a C++ compiler for the host's half of a file, and there is none beside \
${CMAKE_C_COMPILER} nor on PATH (on Debian and Ubuntu: apt-get install g++)" PARENT_SCOPE)
    return()
  endif()
  set(folder "${CMAKE_BINARY_DIR}/CMakeFiles/handoff_cuda_host")
  file(WRITE "${folder}/check.cu" "extern \"C\" __global__ void check(int *out) { *out = 1; }\n")
  foreach(candidate ${candidates})
    execute_process(COMMAND "${HANDOFF_CUDA_NVCC}" -ccbin "${candidate}" -std=c++17 -c check.cu
      -o check.o WORKING_DIRECTORY "${folder}"
      OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE failed)
    if(NOT failed)
      set(HANDOFF_CUDA_HOST_COMPILER "${candidate}" CACHE FILEPATH "The C++ compiler that nvcc uses")
      set(HANDOFF_CUDA_HOST_COMPILER_OF "${HANDOFF_CUDA_NVCC} ${candidate}" CACHE INTERNAL "")
      return()
    endif()
    string(APPEND outputs "\n${candidate}:\n${output}")
  endforeach()
  set(${reason} "a kernel of one line does not build with any C++ compiler of this machine (name one \
with -DHANDOFF_CUDA_HOST_COMPILER=):${outputs}" PARENT_SCOPE)
endfunction()

# The architectures to compile for, as options of nvcc: code for what the project names (Xavier, Orin,
# Hopper, Thor) where this nvcc knows it, and PTX of the oldest and of a newer one for all others.
function(handoff_cuda_architectures result)
  set(options)
  if(HANDOFF_CUDA_ARCHITECTURES)
    foreach(number ${HANDOFF_CUDA_ARCHITECTURES})
      list(APPEND options -gencode "arch=compute_${number},code=[sm_${number},compute_${number}]")
    endforeach()
    set(${result} ${options} PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND "${HANDOFF_CUDA_NVCC}" --list-gpu-code OUTPUT_VARIABLE known
    ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(known "sm_72 sm_75 sm_87")
  endif()
  set(numbers)
  foreach(number 72 87 90 110)
    if(known MATCHES "sm_${number}([^0-9]|$)")
      list(APPEND numbers ${number})
    elseif(number EQUAL 110 AND known MATCHES "sm_101([^0-9]|$)")
      list(APPEND numbers 101) # Thor's name before CUDA 13
    endif()
  endforeach()
  foreach(number ${numbers})
    list(APPEND options -gencode "arch=compute_${number},code=sm_${number}")
  endforeach()
  # PTX runs on its architecture and all later ones.
  if(known MATCHES "sm_72")
    set(intermediate 72)
  else()
    set(intermediate 75)
  endif()
  if(known MATCHES "sm_90")
    list(APPEND intermediate 90)
  endif()
  foreach(number ${intermediate})
    list(APPEND options -gencode "arch=compute_${number},code=compute_${number}")
  endforeach()
  set(${result} ${options} PARENT_SCOPE)
endfunction()

# handoff_cuda_sources(TARGET FOLDER): compiles FOLDER/*.cu with nvcc into the library TARGET. A file
# is compiled again when a header it includes has changed. Host halves are C++17 without exceptions
# and run-time types, so that programs link without the C++ library; they are never sanitized.
function(handoff_cuda_sources target folder)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cu")
  # What a compiler without dependency files is to look at.
  file(GLOB headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.h"
    "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cuh" "${CMAKE_CURRENT_SOURCE_DIR}/harness/gpu/*.h"
    "${CMAKE_CURRENT_SOURCE_DIR}/harness/base/*.h")
  handoff_cuda_architectures(architectures)
  # nvcc hands on one file in which headers are headers no more: what they do not use is not unused.
  set(flags -ccbin "${HANDOFF_CUDA_HOST_COMPILER}" -O3 -std=c++17 -lineinfo --threads 2
    -Wno-deprecated-gpu-targets ${architectures}
    -Xcompiler -fPIE,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics
    -Xcompiler -Wall,-Wextra,-Wno-unused-parameter,-Wno-unused-function
    "-I${CMAKE_CURRENT_SOURCE_DIR}" "-I${HANDOFF_CUDA_INCLUDE_DIR}")
  if(HANDOFF_WERROR)
    list(APPEND flags -Werror all-warnings)
  endif()
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/cuda/${folder}")
  foreach(source ${sources})
    get_filename_component(name "${source}" NAME)
    # Relative, since a dependency file must name the object as the build does.
    set(object "cuda/${folder}/${name}.o")
    set(dependencies)
    set(write_dependencies)
    if(CMAKE_GENERATOR MATCHES "Ninja" OR NOT CMAKE_VERSION VERSION_LESS 3.20)
      set(write_dependencies -MD -MF "${object}.d")
      set(dependencies DEPFILE "${CMAKE_BINARY_DIR}/${object}.d")
    endif()
    add_custom_command(OUTPUT "${CMAKE_BINARY_DIR}/${object}"
      COMMAND "${HANDOFF_CUDA_NVCC}" ${flags} ${write_dependencies} -c "${source}" -o "${object}"
      DEPENDS "${source}" "${HANDOFF_CUDA_NVCC}" ${headers} ${dependencies}
      WORKING_DIRECTORY "${CMAKE_BINARY_DIR}" COMMENT "Building CUDA object ${object}" VERBATIM)
    set_source_files_properties("${CMAKE_BINARY_DIR}/${object}" PROPERTIES
      GENERATED TRUE EXTERNAL_OBJECT TRUE)
    target_sources(${target} PRIVATE "${CMAKE_BINARY_DIR}/${object}")
  endforeach()
  target_link_libraries(${target} PRIVATE handoff_cuda)
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
  file(WRITE "${source}" "#include <cuda.h>\n#include <cuda_runtime_api.h>\n"
    "int main(void) { int version; return (int)cudaRuntimeGetVersion(&version); }\n")
  try_compile(HANDOFF_CUDA_WORKS "${CMAKE_BINARY_DIR}/CMakeFiles/handoff_cuda_check"
    SOURCES "${source}" LINK_LIBRARIES ${libraries}
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${HANDOFF_CUDA_INCLUDE_DIR}" OUTPUT_VARIABLE output)
  if(NOT HANDOFF_CUDA_WORKS)
    set(${reason} "a program of one call does not build with CUDA ${version} in ${root}:\n${output}"
      PARENT_SCOPE)
    return()
  endif()

  handoff_cuda_find_host(host_reason)
  if(host_reason)
    set(${reason} "${host_reason}" PARENT_SCOPE)
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
    message(STATUS "CUDA: ${HANDOFF_CUDA_VERSION} in ${HANDOFF_CUDA_ROOT}, with \
${HANDOFF_CUDA_HOST_COMPILER}")
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
