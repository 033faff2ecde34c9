# HandoffInstall: what `cmake --install` and `cpack -G DEB` put where. Included by CMakeLists.txt.
#
# The manual page, the completions and the schema of scenarios are what the program prints: they are
# made while installing, by the program that is installed.
include(GNUInstallDirs)

set(HANDOFF_PRINTED "${CMAKE_CURRENT_BINARY_DIR}/printed")
install(CODE "
  set(folder \"${HANDOFF_PRINTED}\")
  file(REMOVE_RECURSE \"\${folder}\")
  file(MAKE_DIRECTORY \"\${folder}\")
  foreach(what handoff.1:man handoff:completion-bash _handoff:completion-zsh)
    string(REGEX MATCH \"^[^:]+\" file \"\${what}\")
    string(REGEX MATCH \"[^:]+\$\" topic \"\${what}\")
    execute_process(COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} \"$<TARGET_FILE:handoff>\" help \${topic}
      OUTPUT_FILE \"\${folder}/\${file}\" RESULT_VARIABLE code)
    if(NOT code STREQUAL \"0\")
      message(WARNING \"the program cannot run here (\${code}): installed without \${file}\")
      file(REMOVE \"\${folder}/\${file}\")
    endif()
  endforeach()
  # Where Debian's zsh looks for what packages bring; elsewhere, and below /usr/local, zsh's own place.
  set(zsh site-functions)
  if(EXISTS /etc/debian_version AND CMAKE_INSTALL_PREFIX MATCHES \"/usr\$\")
    set(zsh vendor-completions)
  endif()
  if(EXISTS \"\${folder}/_handoff\")
    file(INSTALL \"\${folder}/_handoff\" TYPE FILE
      DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/zsh/\${zsh}\")
  endif()")

install(TARGETS handoff RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${HANDOFF_PRINTED}/handoff.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" OPTIONAL)
install(FILES "${HANDOFF_PRINTED}/handoff"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" OPTIONAL)
install(DIRECTORY scenarios DESTINATION "${CMAKE_INSTALL_DATADIR}/handoff"
  FILES_MATCHING PATTERN "*.json" PATTERN "README.md")
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
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS gnuplot-nox)
  include(CPack)
endif()
