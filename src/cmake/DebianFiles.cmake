# SPDX-License-Identifier: Apache-2.0
# Run by cpack between installing and packing: what Debian's policy wants of a package and an installation has not.
foreach(part server dev)
  set(name turnstone)
  if(part STREQUAL "dev")
    set(name turnstone-dev)
  endif()
  set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${part}")
  set(documents "${root}/usr/share/doc/${name}")
  # The licence is in /usr/share/common-licenses.
  file(REMOVE "${documents}/LICENSE")
  file(COPY "${CPACK_TURNSTONE_SOURCE}/deploy/debian/copyright" DESTINATION "${documents}")
  file(TIMESTAMP "${CPACK_TURNSTONE_SOURCE}/CHANGELOG.md" date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  file(WRITE "${documents}/changelog.Debian"
"turnstone (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Changes are in CHANGELOG.md of the source.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
  execute_process(COMMAND gzip -9nf "${documents}/changelog.Debian" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
# Where Debian 12 looks for units.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/server")
file(MAKE_DIRECTORY "${root}/lib")
file(RENAME "${root}/usr/lib/systemd" "${root}/lib/systemd")
