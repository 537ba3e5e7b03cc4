// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target as an ordinary test: over each file of the corpus folder given, then over seeded
// mutations of them. The same inputs in the same order in every run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// A target's own mutator, if it has one.
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                                             std::size_t max_size, unsigned seed);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr int kMutations = 2'000;
constexpr std::size_t kMaxBytes = 4096;

void run(const Input& input) {
  // A buffer of exactly the input's size, so that a sanitizer sees a read past its end.
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
}

std::vector<Input> read_corpus(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Input> out;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Input>& corpus) : corpus_(corpus) {}

  Input next() {
    Input out = pick();
    if (LLVMFuzzerCustomMutator != nullptr && below(4) != 0) return by_target(std::move(out));
    for (std::size_t i = 1 + below(4); i > 0; --i) change(out);
    return out;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(random_()); }
  const Input& pick() { return corpus_[below(corpus_.size())]; }
  static std::ptrdiff_t offset(std::size_t at) { return static_cast<std::ptrdiff_t>(at); }

  /// Several of its changes in a row, as a fuzzer's corpus would grow.
  Input by_target(Input out) {
    for (std::size_t i = 1 + below(12); i > 0; --i) {
      const std::size_t size = out.size();
      out.resize(kMaxBytes);
      out.resize(LLVMFuzzerCustomMutator(out.data(), size, kMaxBytes, static_cast<unsigned>(random_())));
    }
    return out;
  }

  void change(Input& out) {
    const std::size_t at = below(out.size());
    switch (below(8)) {
      case 0:  // flip a bit
        if (!out.empty()) out[at] = static_cast<std::uint8_t>(out[at] ^ (1U << below(8)));
        break;
      case 1:  // any byte
        if (!out.empty()) out[at] = byte();
        break;
      case 2:  // an edge of a byte
        if (!out.empty()) out[at] = kEdges[below(sizeof kEdges)];
        break;
      case 3: out.resize(at); break;
      case 4: out.insert(out.begin() + offset(at), 1 + below(8), byte()); break;
      case 5:  // drop a part
        out.erase(out.begin() + offset(at), out.begin() + offset(std::min(out.size(), at + 1 + below(8))));
        break;
      case 6: {  // the end of another input
        const Input& other = pick();
        const std::size_t from = below(other.size());
        out.resize(at);
        out.insert(out.end(), other.begin() + offset(from), other.end());
        break;
      }
      default: {  // repeat a part
        const Input part(out.begin() + offset(at),
                         out.begin() + offset(std::min(out.size(), at + 1 + below(32))));
        out.insert(out.begin() + offset(at), part.begin(), part.end());
        break;
      }
    }
  }

  static constexpr std::uint8_t kEdges[] = {0x00, 0x01, 0x03, 0x04, 0x3F, 0x40, 0x7F, 0x80, 0xFC, 0xFF};
  const std::vector<Input>& corpus_;
  std::mt19937 random_{20'230'817};  // NOLINT: a fixed seed
};

}  // namespace

/// What libFuzzer gives a target's mutator: any change of any bytes.
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  static std::mt19937 random(1);  // NOLINT: a fixed seed
  if (max_size == 0) return 0;
  if (size == 0 || random() % 4 == 0) size = 1 + random() % max_size;
  for (auto n = 1 + random() % 3; n > 0; --n) data[random() % size] = static_cast<std::uint8_t>(random());
  return size;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return EXIT_FAILURE;
  }
  const std::vector<Input> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "no inputs in %s\n", argv[1]);
    return EXIT_FAILURE;
  }
  run({});
  for (const Input& input : corpus) run(input);
  Mutator mutator(corpus);
  for (int i = 0; i < kMutations; ++i) run(mutator.next());
  std::printf("%zu inputs and %d mutations of them\n", corpus.size(), kMutations);
  return EXIT_SUCCESS;
}
