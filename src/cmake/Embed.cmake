# SPDX-License-Identifier: Apache-2.0
# ts_embed(TARGET FOLDER): compiles all files below FOLDER into TARGET as ts::net::assets(). A changed file is
# embedded anew at the next build. Run as a script, this file writes the source (FILES, FOLDER, OUT).

if(CMAKE_SCRIPT_MODE_FILE)
  set(mime_html "text/html; charset=utf-8")
  set(mime_css "text/css; charset=utf-8")
  set(mime_js "text/javascript; charset=utf-8")
  set(mime_mjs "text/javascript; charset=utf-8")
  set(mime_ts "text/plain; charset=utf-8")
  set(mime_txt "text/plain; charset=utf-8")
  set(mime_json "application/json")
  set(mime_svg "image/svg+xml")
  set(mime_png "image/png")
  set(mime_ico "image/x-icon")
  set(mime_woff2 "font/woff2")
  set(bodies "")
  set(table "")
  set(number 0)
  string(REPLACE "|" ";" FILES "${FILES}")
  foreach(name IN LISTS FILES)
    file(SHA256 "${FOLDER}/${name}" hash)
    string(SUBSTRING "${hash}" 0 32 hash)
    file(ARCHIVE_CREATE OUTPUT "${OUT}.gz" PATHS "${FOLDER}/${name}" FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    file(READ "${FOLDER}/${name}" body HEX)
    file(READ "${OUT}.gz" gzip HEX)
    # RFC 1952 §2.3.1: without the time, so that a build can be repeated.
    string(SUBSTRING "${gzip}" 0 8 before)
    string(SUBSTRING "${gzip}" 16 -1 after)
    set(gzip "${before}00000000${after}")
    foreach(kind body gzip)
      string(LENGTH "${${kind}}" ${kind}_bytes)
      math(EXPR ${kind}_bytes "${${kind}_bytes} / 2")
      # Lines of 32 bytes, each byte as an escape.
      string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${${kind}}")
      string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" hex "${hex}")
      string(REPLACE "\n" "\"\n    \"" hex "${hex}")
      string(APPEND bodies "constexpr char k_${kind}${number}[] =\n    \"${hex}\";\n")
    endforeach()
    string(REGEX REPLACE "^.*\\." "" extension "${name}")
    set(mime "${mime_${extension}}")
    if(NOT mime)
      set(mime "application/octet-stream")
    endif()
    # The demo is the site's root.
    string(REGEX REPLACE "^demo/" "" path "${name}")
    string(REGEX REPLACE "(^|/)index\\.html$" "\\1" path "${path}")
    string(APPEND table "    Asset{\"/${path}\", \"${mime}\", \"\\\"${hash}\\\"\", std::string_view(k_body${number}, ${body_bytes}),\n"
                         "          std::string_view(k_gzip${number}, ${gzip_bytes})},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  file(WRITE "${OUT}" "// Generated from src/web by src/cmake/Embed.cmake.
#include <array>

#include <turnstone/net/assets.hpp>

#pragma GCC diagnostic ignored \"-Woverlength-strings\"

namespace ts::net {
namespace {

${bodies}
constexpr std::array<Asset, ${number}> kAssets{
${table}};

}  // namespace

std::span<const Asset> assets() noexcept { return kAssets; }

const Asset* find_asset(std::string_view path) noexcept {
  for (const Asset& asset : kAssets) {
    if (asset.path == path) return &asset;
  }
  return nullptr;
}

}  // namespace ts::net
")
  return()
endif()

function(ts_embed target folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE "${folder}" "${folder}/*")
  list(FILTER files EXCLUDE REGEX "(^|/)\\.|\\.md$")
  list(SORT files)
  list(TRANSFORM files PREPEND "${folder}/" OUTPUT_VARIABLE inputs)
  list(JOIN files "|" joined)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/${target}_assets.cpp")
  set(script "${CMAKE_SOURCE_DIR}/src/cmake/Embed.cmake")
  add_custom_command(OUTPUT "${out}"
    COMMAND "${CMAKE_COMMAND}" "-DFILES=${joined}" "-DFOLDER=${folder}" "-DOUT=${out}" -P "${script}"
    DEPENDS ${inputs} "${script}" COMMENT "Embedding ${folder}" VERBATIM)
  target_sources(${target} PRIVATE "${out}")
endfunction()
