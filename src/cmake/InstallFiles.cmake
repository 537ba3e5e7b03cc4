# SPDX-License-Identifier: Apache-2.0
# Run while installing (src/cmake/Install.cmake), with the prefix that is really meant: files that name other installed
# files, and those that the program prints. DESTDIR counts, as for every install().
set(prefix "${CMAKE_INSTALL_PREFIX}")
file(MAKE_DIRECTORY "${work}")

# put(FILE FOLDER [NAME]): FOLDER is absolute, before DESTDIR.
function(put from folder)
  if(ARGC GREATER 2)
    configure_file("${from}" "${work}/${ARGV2}" COPYONLY)
    set(from "${work}/${ARGV2}")
  endif()
  file(INSTALL DESTINATION "${folder}" TYPE FILE FILES "${from}")
endfunction()

# said(NAME COMMAND...): the program's output as a file.
function(said name)
  execute_process(COMMAND "${program}" ${ARGN} OUTPUT_FILE "${work}/${name}" RESULT_VARIABLE failed)
  if(NOT failed EQUAL 0)
    message(FATAL_ERROR "${program} ${ARGN}: exit status ${failed}")
  endif()
endfunction()

# The system's folder for a prefix that is the system's own.
set(etc "${prefix}/etc")
if(prefix STREQUAL "/usr")
  set(etc /etc)
endif()

if(component STREQUAL "dev")
  set(documents "${prefix}/share/doc/turnstone-dev")
  put("${source}/docs/examples/embed/CMakeLists.txt" "${documents}/examples/embed")
  put("${source}/docs/examples/embed/main.cpp" "${documents}/examples/embed")
  # What only the very compiler that built it could read; the machine code stays (-ffat-lto-objects).
  file(GLOB archives "$ENV{DESTDIR}${prefix}/${lib}/turnstone/*.a")
  if(strip)
    execute_process(COMMAND "${strip}" -p -D --strip-debug -R .gnu.lto_* -R .gnu.debuglto_* ${archives} COMMAND_ERROR_IS_FATAL ANY)
  endif()
else()
  set(documents "${prefix}/share/doc/turnstone")
  set(BINDIR "${prefix}/${bin}")
  set(SYSCONFDIR "${etc}")
  configure_file("${source}/deploy/systemd/turnstone.service.in" "${work}/turnstone.service" @ONLY)
  put("${work}/turnstone.service" "${prefix}/lib/systemd/system")
  put("${source}/deploy/systemd/turnstone.sysusers.conf" "${prefix}/lib/sysusers.d" turnstone.conf)

  said(turnstone.1 man)
  execute_process(COMMAND gzip -9nf "${work}/turnstone.1" COMMAND_ERROR_IS_FATAL ANY)
  put("${work}/turnstone.1.gz" "${prefix}/share/man/man1")
  said(turnstone completion bash)
  put("${work}/turnstone" "${prefix}/share/bash-completion/completions")
  said(_turnstone completion zsh)
  put("${work}/_turnstone" "${prefix}/share/zsh/vendor-completions")
  said(turnstone.fish completion fish)
  put("${work}/turnstone.fish" "${prefix}/share/fish/vendor_completions.d")

  # The sample, with the secrets in a file of their own. A configuration that is there is somebody's work.
  said(sample.yaml config sample)
  file(READ "${work}/sample.yaml" sample)
  string(REPLACE "\n  secrets_file: \"\"\n" "\n  secrets_file: \"${etc}/turnstone/secrets\"\n" sample "${sample}")
  file(WRITE "${work}/turnstone.yaml" "${sample}")
  if(EXISTS "$ENV{DESTDIR}${etc}/turnstone/turnstone.yaml")
    message(STATUS "Kept: $ENV{DESTDIR}${etc}/turnstone/turnstone.yaml")
  else()
    put("${work}/turnstone.yaml" "${etc}/turnstone")
  endif()
  # Of a package its postinst makes them.
  if(NOT DEFINED ENV{DESTDIR} AND NOT EXISTS "${etc}/turnstone/secrets")
    message(STATUS "Needed before the first start: ${etc}/turnstone/secrets (docs/install.md)")
  endif()
endif()

put("${source}/LICENSE" "${documents}")
