# HandoffCommit: writes OUTPUT, a header that says which commit the source tree SOURCE is of, where it
# does not say so already. CMakeLists.txt runs it at every build: a result must not name the commit of
# the day the build folder was made.
#
#   cmake -DSOURCE=DIR -DOUTPUT=FILE -P HandoffCommit.cmake
#
# An archive made by `git archive` carries its commit in archived_commit.txt (.gitattributes). Else git
# is asked; what it says of a repository that merely contains the tree is not the tree's commit.
set(commit "")
file(STRINGS "${SOURCE}/scripts/cmake/archived_commit.txt" archived LIMIT_COUNT 1)
find_package(Git QUIET)
if(archived MATCHES "^[0-9a-f]+$")
  set(commit "${archived}")
elseif(GIT_FOUND)
  execute_process(COMMAND "${GIT_EXECUTABLE}" rev-parse --show-prefix WORKING_DIRECTORY "${SOURCE}"
    OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE code ERROR_QUIET)
  if(code EQUAL 0 AND prefix STREQUAL "")
    execute_process(COMMAND "${GIT_EXECUTABLE}" describe --always --dirty=+ --exclude=*
      WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()

set(header "/* Made by HandoffCommit.cmake. */\n#define HANDOFF_COMMIT \"${commit}\"\n")
set(before "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" before)
endif()
if(NOT before STREQUAL header)
  file(WRITE "${OUTPUT}" "${header}")
endif()
