# The libraries of transports that not every system has. For each that is found: HANDOFF_HAVE_<KEY>
# is defined, and its transports are built from their own files; else those files are left out and
# transports/absent.c stands in for them. HANDOFF_WITHOUT (a list of keys) leaves libraries out on
# purpose, so that tests see what a machine without them does.
set(HANDOFF_WITHOUT "" CACHE STRING "Transport libraries not to use: ZMQ;NNG;UCX;ICEORYX;DDS")

set(HANDOFF_LIBRARY_SOURCES_LEFT_OUT)
set(HANDOFF_LIBRARY_DEFINITIONS)
set(HANDOFF_LIBRARY_INCLUDES)
set(HANDOFF_LIBRARY_LIBRARIES)

# handoff_library(KEY HEADER LIBRARIES… SOURCES file… [SUFFIXES …]): found by hand, as every package
# names its own CMake files differently, or has none.
function(handoff_library key header)
  cmake_parse_arguments(LIB "" "" "LIBRARIES;SOURCES;SUFFIXES" ${ARGN})
  set(found TRUE)
  foreach(source ${LIB_SOURCES})
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
      set(found FALSE)
    endif()
  endforeach()
  find_path(HANDOFF_${key}_INCLUDE_DIR "${header}" PATH_SUFFIXES ${LIB_SUFFIXES})
  if(NOT HANDOFF_${key}_INCLUDE_DIR OR key IN_LIST HANDOFF_WITHOUT)
    set(found FALSE)
  endif()
  set(libraries)
  foreach(library ${LIB_LIBRARIES})
    find_library(HANDOFF_${key}_${library} ${library})
    if(NOT HANDOFF_${key}_${library})
      set(found FALSE)
    endif()
    list(APPEND libraries "${HANDOFF_${key}_${library}}")
  endforeach()
  if(found)
    list(APPEND HANDOFF_LIBRARY_DEFINITIONS HANDOFF_HAVE_${key})
    list(APPEND HANDOFF_LIBRARY_INCLUDES "${HANDOFF_${key}_INCLUDE_DIR}")
    list(APPEND HANDOFF_LIBRARY_LIBRARIES ${libraries})
  else()
    list(APPEND HANDOFF_LIBRARY_SOURCES_LEFT_OUT ${LIB_SOURCES})
  endif()
  foreach(variable DEFINITIONS INCLUDES LIBRARIES SOURCES_LEFT_OUT)
    set(HANDOFF_LIBRARY_${variable} "${HANDOFF_LIBRARY_${variable}}" PARENT_SCOPE)
  endforeach()
endfunction()

handoff_library(ZMQ zmq.h LIBRARIES zmq SOURCES transports/zmq_ipc.c transports/zmq_tcp.c
  transports/zmq_link.c transports/zmq_gate.c transports/zmq_open.c transports/zmq_setup.c)
handoff_library(NNG nng/nng.h LIBRARIES nng SOURCES transports/nng.c transports/nng_pair.c
  transports/nng_setup.c)
# Active messages with headers, aligned and lent, are in UCX as of 1.12.
find_path(HANDOFF_UCX_INCLUDE_DIR ucp/api/ucp.h)
if(HANDOFF_UCX_INCLUDE_DIR)
  file(STRINGS "${HANDOFF_UCX_INCLUDE_DIR}/ucp/api/ucp_version.h" ucx_version REGEX "UCP_API_(MAJOR|MINOR) ")
  string(REGEX REPLACE "[^0-9;]" "" ucx_version "${ucx_version}")
  string(REPLACE ";" "." ucx_version "${ucx_version}")
  if(ucx_version VERSION_LESS 1.12)
    message(STATUS "UCX ${ucx_version} is too old for transport ucx: 1.12 is needed")
    list(APPEND HANDOFF_WITHOUT UCX)
  endif()
endif()
handoff_library(UCX ucp/api/ucp.h LIBRARIES ucp ucs SOURCES transports/ucx.c transports/ucx_link.c
  transports/ucx_setup.c)
handoff_library(ICEORYX iceoryx_binding_c/publisher.h LIBRARIES iceoryx_binding_c SUFFIXES
  iceoryx/v2.0.3 iceoryx SOURCES transports/iceoryx.c transports/iceoryx_ports.c)
handoff_library(DDS dds/dds.h LIBRARIES ddsc SOURCES transports/dds.c transports/dds_party.c
  transports/dds_types.c)

# handoff_libraries_link(TARGET): what its transports need.
function(handoff_libraries_link target)
  target_compile_definitions(${target} PRIVATE ${HANDOFF_LIBRARY_DEFINITIONS})
  target_include_directories(${target} SYSTEM PRIVATE ${HANDOFF_LIBRARY_INCLUDES})
  target_link_libraries(${target} PUBLIC ${HANDOFF_LIBRARY_LIBRARIES})
endfunction()
