// SPDX-License-Identifier: Apache-2.0
// The binary's operator new and delete, which count.
#include "counting_new.hpp"

#include <cstdlib>
#include <new>

namespace {
std::size_t g_allocations = 0;

void* counted(std::size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size != 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace ts::testing {
std::size_t heap_allocations() noexcept { return g_allocations; }
}  // namespace ts::testing
