# HandoffInstall: what `cmake --install` and `cpack -G DEB` put where. Included by CMakeLists.txt.
#
# The manual page and the completions are what the program prints: they are made while installing, by
# the program that is installed.
include(GNUInstallDirs)

install(TARGETS handoff RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(CODE "
  # A folder of its own: two installations may run side by side, and nothing of root's stays here.
  string(RANDOM LENGTH 12 name)
  set(folder \"${CMAKE_CURRENT_BINARY_DIR}/printed-\${name}\")
  # Where Debian's zsh looks for what packages bring; elsewhere, and below /usr/local, zsh's own place.
  set(zsh site-functions)
  if(EXISTS /etc/debian_version AND CMAKE_INSTALL_PREFIX MATCHES \"/usr\$\")
    set(zsh vendor-completions)
  endif()
  function(handoff_install_printed topic file destination)
    execute_process(COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} \"$<TARGET_FILE:handoff>\" help \${topic}
      OUTPUT_FILE \"\${folder}/\${file}\" RESULT_VARIABLE code)
    if(code STREQUAL \"0\")
      file(INSTALL \"\${folder}/\${file}\" TYPE FILE
        DESTINATION \"\${CMAKE_INSTALL_PREFIX}/\${destination}\")
    else()
      message(WARNING \"the program cannot run here (\${code}): installed without \${file}\")
    endif()
  endfunction()
  file(MAKE_DIRECTORY \"\${folder}\")
  handoff_install_printed(man handoff.1 \"${CMAKE_INSTALL_MANDIR}/man1\")
  handoff_install_printed(completion-bash handoff
    \"${CMAKE_INSTALL_DATADIR}/bash-completion/completions\")
  handoff_install_printed(completion-zsh _handoff \"${CMAKE_INSTALL_DATADIR}/zsh/\${zsh}\")
  file(REMOVE_RECURSE \"\${folder}\")")
install(DIRECTORY scenarios DESTINATION "${CMAKE_INSTALL_DATADIR}/handoff"
  FILES_MATCHING PATTERN "*.json" PATTERN "README.md")
# For roles in Python: harness/run/python_role.c looks for both from the program's folder.
install(DIRECTORY transports/python/handoff DESTINATION "${CMAKE_INSTALL_DATADIR}/handoff/python"
  FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
# The library itself, its header and its .pc file: transports/frames/CMakeLists.txt.
install(FILES README.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES results/README.md results/schema.json DESTINATION "${CMAKE_INSTALL_DOCDIR}/results")

# A package is of a release build: others are slower, and what they measured would be, too.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HANDOFF_SANITIZE)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME handoff)
  set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
  set(CPACK_PACKAGE_CONTACT "The handoff developers <noreply@handoff.invalid>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "measures what handing video frames between processes costs")
  set(CPACK_RESOURCE_FILE_LICENSE "${CMAKE_CURRENT_SOURCE_DIR}/LICENSE")
  set(CPACK_STRIP_FILES ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION utils)
  # Which libraries, and how new, dpkg-shlibdeps (of dpkg-dev) reads off the program.
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  # Programs of users may load the library: the loader's cache is to know it.
  set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox, python3-numpy")
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS python3-zmq)
  include(CPack)
endif()
