# SPDX-License-Identifier: Apache-2.0
# Debian packages by CPack, turnstone and turnstone-dev: cpack --config build/<preset>/CPackConfig.cmake
# Included after Install.cmake.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME turnstone)
set(CPACK_PACKAGE_VENDOR Turnstone)
set(CPACK_PACKAGE_CONTACT "Turnstone maintainers <turnstone@example.org>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_BINARY_DIR}")
# Paths of the system (/etc) are absolute: they count from DESTDIR.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL server dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# What only a Debian package has.
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_SOURCE_DIR}/src/cmake/DebianFiles.cmake")
set(CPACK_TURNSTONE_SOURCE "${CMAKE_SOURCE_DIR}")

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME turnstone)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/deploy/debian/postinst;${CMAKE_SOURCE_DIR}/deploy/debian/prerm;${CMAKE_SOURCE_DIR}/deploy/debian/postrm;${CMAKE_SOURCE_DIR}/deploy/debian/conffiles")
set(CPACK_COMPONENT_SERVER_DESCRIPTION "STUN, TURN and WebRTC signaling server
One process that answers STUN Binding requests, relays with TURN over UDP,
TCP, TLS and DTLS, lets WebRTC clients meet over WebSocket or Socket.IO, and
tells Prometheus about it.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME turnstone-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libssl-dev, libboost1.81-dev, libunistring-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "cores of the Turnstone server as libraries
Headers and static libraries of the parts of Turnstone that know neither
sockets nor clocks: STUN messages, TURN credentials, a TURN server and a
signaling router that take input and time, and return what is to be sent.")

include(CPack)
