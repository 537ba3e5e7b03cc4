# SPDX-License-Identifier: Apache-2.0
# cmake --install in two components: `server` (what runs) and `dev` (the pure layers, to be embedded by
# find_package(turnstone)). Included last.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The layers that need neither Asio nor a socket, by their names for others: turnstone::base and so on.
set(TURNSTONE_EXPORTED base stun auth turn signal dialect)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/turnstone")

set(_targets "")
foreach(layer IN LISTS TURNSTONE_EXPORTED)
  set_target_properties(ts_${layer} PROPERTIES EXPORT_NAME ${layer})
  if(TURNSTONE_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Archives for others hold machine code too, not only what this very compiler's linker plugin reads. While it makes that, g++ 12
    # takes values of optionals that were tested for uninitialized ones.
    target_compile_options(ts_${layer} PRIVATE -ffat-lto-objects -Wno-maybe-uninitialized)
  endif()
  list(APPEND _targets ts_${layer})
endforeach()
install(TARGETS ${_targets} EXPORT turnstone
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}/turnstone" COMPONENT dev
        FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(EXPORT turnstone NAMESPACE turnstone:: FILE turnstoneTargets.cmake DESTINATION "${_package}" COMPONENT dev)
configure_package_config_file("${CMAKE_SOURCE_DIR}/src/cmake/turnstoneConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/turnstoneConfig.cmake" INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/turnstoneConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/turnstoneConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/turnstoneConfigVersion.cmake"
        DESTINATION "${_package}" COMPONENT dev)

install(TARGETS turnstone RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT server)
# What names other installed files, or is the program's own word, is made when it is installed.
foreach(component server dev)
  install(CODE "
    set(component ${component})
    set(source \"${CMAKE_SOURCE_DIR}\")
    set(work \"${CMAKE_CURRENT_BINARY_DIR}/installed/${component}\")
    set(program \"$<TARGET_FILE:turnstone>\")
    set(bin \"${CMAKE_INSTALL_BINDIR}\")
    set(lib \"${CMAKE_INSTALL_LIBDIR}\")
    set(strip \"${CMAKE_STRIP}\")
    include(\"${CMAKE_SOURCE_DIR}/src/cmake/InstallFiles.cmake\")" COMPONENT ${component})
endforeach()
