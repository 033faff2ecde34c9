# Puts the report's template and gnuplot scripts into the program, so that `handoff report` works
# wherever the binary is copied. Each file becomes `report_asset_<name>`, NUL-terminated, declared in
# harness/report/assets.h. Editing one runs CMake again.
function(handoff_embed target)
  set(source "/* Made by plots/embed.cmake from the files in plots/. */\n")
  string(APPEND source "#include \"harness/report/assets.h\"\n")
  foreach(name ${ARGN})
    set(path "${CMAKE_CURRENT_SOURCE_DIR}/plots/${name}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
    file(READ "${path}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "[^a-z0-9]" "_" symbol "${name}")
    string(APPEND source "const unsigned char report_asset_${symbol}[] = {${bytes}0};\n")
  endforeach()
  set(made "${CMAKE_CURRENT_BINARY_DIR}/generated/report_assets.c")
  file(WRITE "${made}.new" "${source}")
  configure_file("${made}.new" "${made}" COPYONLY)
  target_sources(${target} PRIVATE "${made}")
endfunction()
