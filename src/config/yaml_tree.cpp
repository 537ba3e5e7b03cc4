// SPDX-License-Identifier: Apache-2.0
#include "yaml_tree.hpp"

#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace ts::config {
namespace {

/// Thrown by the handler to stop the parser; never leaves this file.
struct Refusal {
  int line;
  const char* expected;
  const char* found;
  const char* remedy;
};

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

/// Builds the tree from the parser's events, so that a hostile document is refused before it costs memory.
class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    add({Node::Kind::Null, line_of(mark), {}, {}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{line_of(mark), "a value", "an alias (*name)",
                  "write the value out: aliases are not supported"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    add({Node::Kind::Scalar, line_of(mark), value, {}});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::Sequence, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::Mapping, mark);
  }
  void OnMapEnd() override { close(); }

  Node take() { return std::move(root_); }

 private:
  void add(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
    } else {
      stack_.back().children.push_back(std::move(node));
    }
  }
  void open(Node::Kind kind, const YAML::Mark& mark) {
    if (stack_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      throw Refusal{line_of(mark), "at most 8 levels", "deeper nesting",
                    "the configuration has two levels: section, key"};
    }
    stack_.push_back({kind, line_of(mark), {}, {}});
  }
  void close() {
    Node node = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(node));
  }

  std::vector<Node> stack_;
  Node root_;
};

Problem yaml_problem(std::string_view file, int line, std::string expected, std::string found,
                     std::string remedy) {
  Problem out;
  out.source = std::string(file) + (line > 0 ? ":" + std::to_string(line) : "");
  out.line = line;
  out.key = "YAML";
  out.expected = std::move(expected);
  out.found = std::move(found);
  out.remedy = std::move(remedy);
  return out;
}

int line_at(std::string_view text, std::size_t offset) {
  int line = 1;
  for (std::size_t i = 0; i < offset; ++i) line += text[i] == '\n' ? 1 : 0;
  return line;
}

/// The first character that no configuration holds and yaml-cpp is loose about; npos when there is none.
std::size_t find_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F) return i;
  }
  return std::string_view::npos;
}

Node parse_checked(std::string_view text, std::string_view file, std::vector<Problem>& problems) {
  // yaml-cpp 0.7 takes a quote that never ends for a value when the last line is empty, and swallows the
  // file.
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  TreeBuilder builder;
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) return {};
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      const int line = second.take().line;
      problems.push_back(
          yaml_problem(file, line, "one document", "a second one (---)", "put everything into one document"));
    }
  } catch (const Refusal& refusal) {
    problems.push_back(yaml_problem(file, refusal.line, refusal.expected, refusal.found, refusal.remedy));
    return {};
  } catch (const YAML::Exception& error) {
    // error.msg is one of yaml-cpp's fixed texts; it may name an anchor or tag but never holds a value.
    problems.push_back(yaml_problem(file, line_of(error.mark), "well-formed YAML", error.msg,
                                    "check indentation, quotes and brackets here and in the line above"));
    return {};
  }
  return builder.take();
}

}  // namespace

Node parse_yaml(std::string_view text, std::string_view file_name, std::vector<Problem>& problems) {
  if (text.size() > kMaxFileBytes) {
    problems.push_back(yaml_problem(file_name, 0, "at most 1 MiB", std::to_string(text.size()) + " bytes",
                                    "name the right file; long user lists belong into auth.users_file"));
    return {};
  }
  if (const std::size_t at = find_control(text); at != std::string_view::npos) {
    problems.push_back(yaml_problem(file_name, line_at(text, at), "text", "a control character",
                                    "remove it, or write it as an escape in double quotes (\"\\x07\")"));
    return {};
  }
  return parse_checked(text, file_name, problems);
}

}  // namespace ts::config
