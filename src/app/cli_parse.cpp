// SPDX-License-Identifier: Apache-2.0
// The command line in CLI11's terms. Flags of the configuration come from its schema table.
#include <deque>
#include <functional>
#include <map>
#include <sstream>

#include <CLI/CLI.hpp>

#include <turnstone/app/cli.hpp>
#include <turnstone/config/schema.hpp>

#include "cli_tree.hpp"
#include "ctl/commands.hpp"

namespace ts::app {
namespace {

constexpr const char* kExamples = R"(
Examples:
  turnstone serve --dev                              everything open, on this machine
  turnstone serve --secret S --signaling-token T     TURN and signaling with defaults
  turnstone config sample > turnstone.yaml           every key with its default
  turnstone check --config turnstone.yaml            all problems at once
  turnstone credentials --secret S --user alice      a TURN credential for an hour
  turnstone probe turn:turn.example.org:3478 --user alice --password P
  turnstone doctor --config turnstone.yaml           what on this host stands in the way
  turnstone ctl allocations --config turnstone.yaml  what a running server relays
)";

constexpr const char* kServeExamples = R"(
Each flag is a key of the configuration (docs/configuration.md) and wins over its environment variable, which wins
over the file. Flags marked with ... may be repeated.

Examples:
  turnstone serve --dev
  turnstone serve --config /etc/turnstone/turnstone.yaml
  turnstone serve --secret S --signaling-token T --relay-address 203.0.113.7/10.0.0.5 --relay-ports 50000-50999
)";

/// The heading in the help of a key's flag.
std::string group_of(const std::string& path) {
  if (path.starts_with("listen.")) return "Listening";
  if (path.starts_with("auth.")) return "Credentials";
  if (path.starts_with("relay.")) return "Relay";
  if (path.starts_with("signaling.")) return "Signaling";
  return "General";
}

/// The word after the flag in the help.
std::string placeholder(const config::KeyInfo& key) {
  static const std::map<std::string, std::string, std::less<>> kWords = {
      {"port", "PORT"},          {"IP address", "ADDR"},
      {"path", "FILE"},          {"network", "CIDR"},
      {"number", "N"},           {"relay address", "PUBLIC[/LOCAL]"},
      {"secret", "SECRET"},      {"port range", "LOW-HIGH"},
      {"text", "TEXT"},          {"name:password", "NAME:PASSWORD"},
      {"endpoint", "ADDR:PORT"}, {"duration", "SECONDS"}};
  const std::string type = key.list ? key.type.substr(std::string_view("list of ").size()) : key.type;
  const auto word = kWords.find(type);
  return (word == kWords.end() ? type : word->second) + (key.list ? " ..." : "");
}

/// The first sentence of the documentation, and the default where it says something.
std::string description(const config::KeyInfo& key) {
  const std::size_t stop = key.doc.find(". ");
  std::string out = stop == std::string::npos ? key.doc : key.doc.substr(0, stop + 1);
  const std::string& value = key.default_value;
  if (value != "[]" && value != "\"\"" && value != "false") out += " [" + value + ']';
  return out;
}

/// The configuration flags of one subcommand and what was given.
class ConfigFlags {
 public:
  void add_to(CLI::App& app) {
    app.add_option("-c,--config", file_, "Configuration file (YAML); see: turnstone config sample")
        ->type_name("FILE")
        ->envname("TURNSTONE_CONFIG")
        ->group("General");
    for (const config::KeyInfo& key : config::keys()) {
      if (!key.flag.empty()) add_key(app, key);
    }
  }

  ConfigSource source() const {
    ConfigSource out{file_, {}};
    for (const Given& given : given_) {
      if (given.on) out.overrides.push_back({given.key->path, "true", given.key->flag});
      for (const std::string& value : given.values)
        out.overrides.push_back({given.key->path, value, given.key->flag});
    }
    return out;
  }

 private:
  struct Given {
    const config::KeyInfo* key;
    std::vector<std::string> values{};
    bool on = false;
  };

  void add_key(CLI::App& app, const config::KeyInfo& key) {
    Given& given = given_.emplace_back(Given{&key});
    if (key.type == "boolean") {
      app.add_flag(key.flag, given.on, description(key))->group(group_of(key.path));
      return;
    }
    app.add_option(key.flag, given.values, description(key))
        ->type_name(placeholder(key))
        ->allow_extra_args(false)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(group_of(key.path));
  }

  std::string file_;
  std::deque<Given> given_;  // CLI11 keeps references
};

/// Everything that parsing fills; one for each call.
class Parser {
 public:
  Parser() {
    app_.name("turnstone");
    app_.footer(kExamples);
    app_.require_subcommand(0, 1);
    app_.get_formatter()->column_width(44);
    app_.add_flag_callback(
        "-V,--version", [this] { command_ = VersionCommand{}; }, "Print version, compiler, libraries");
    add_serve();
    add_config();
    add_credentials();
    add_probe();
    add_ctl();
    with_config<ExternalIpCommand>(
        app_, "external-ip",
        "Print the addresses that the internet reaches this host by, and who says so (relay.discover)");
    add_doctor();
    add_about_itself();
    simple(app_, "version", "Print version, compiler, libraries", VersionCommand{});
  }

  Command parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      std::ostringstream err;
      const bool good = app_.exit(error, out, err) == 0;
      return ExitCommand{good ? 0 : 2, good ? out.str() : "turnstone: " + err.str()};
    }
    if (on_parsed_) on_parsed_();
    if (!command_) return ExitCommand{2, app_.help()};
    return std::move(*command_);
  }

 private:
  void simple(CLI::App& parent, const char* name, const char* what, const Command& command) {
    parent.add_subcommand(name, what)->callback([this, command] { command_ = command; });
  }

  template <class T>
  CLI::App* with_config(CLI::App& parent, const char* name, const char* what) {
    CLI::App* sub = parent.add_subcommand(name, what);
    ConfigFlags& flags = flags_.emplace_back();
    flags.add_to(*sub);
    sub->callback([this, &flags] { command_ = T{flags.source()}; });
    return sub;
  }

  void add_serve() {
    with_config<ServeCommand>(app_, "serve", "Serve STUN, TURN, signaling and metrics")
        ->footer(kServeExamples);
    with_config<CheckCommand>(app_, "check", "Check the configuration: ok, or every problem at once");
  }

  void add_config() {
    CLI::App* config =
        app_.add_subcommand("config", "Print the effective configuration, its schema or a sample");
    config->require_subcommand(1);
    with_config<ConfigPrintCommand>(*config, "print",
                                    "The effective configuration as YAML; secrets are shown as ***");
    simple(*config, "sample", "A file with every key, its default and what it does", ConfigSampleCommand{});
    simple(*config, "schema", "JSON Schema of the file, for editors", ConfigSchemaCommand{});
    simple(*config, "docs", "The keys as Markdown", ConfigDocsCommand{});
    add_migrate(*config);
    CLI::App* metrics = app_.add_subcommand("metrics", "The metrics as Markdown");
    metrics->group("");
    metrics->require_subcommand(1);
    simple(*metrics, "docs", "The metrics as Markdown", MetricsDocsCommand{});
  }

  void add_migrate(CLI::App& config) {
    CLI::App* sub =
        config.add_subcommand("migrate", "A turnserver.conf of coturn as a configuration of ours");
    CLI::Option* file = sub->add_option("file", migrate_.file, "The turnserver.conf")->type_name("FILE");
    sub->add_flag("--options", migrate_.options, "Only print what becomes of each option, as Markdown")
        ->excludes(file);
    sub->footer(
        "\nRemarks go to stderr too.\n\nExample:\n  turnstone config migrate /etc/turnserver.conf > "
        "turnstone.yaml\n");
    sub->callback([this] {
      command_ = migrate_;
      if (migrate_.file.empty() && !migrate_.options)
        command_ = ExitCommand{2, "turnstone: config migrate needs a FILE, such as /etc/turnserver.conf\n"};
    });
  }

  /// What is made of this very command line.
  void add_about_itself() {
    app_.add_subcommand("man", "Print the manual page, turnstone(1)")->callback([this] {
      command_ = ExitCommand{0, manual(tree_of(app_))};
    });
    CLI::App* sub = app_.add_subcommand("completion", "Print what completes this command line in a shell");
    sub->add_option("shell", shell_, "bash, zsh or fish")->type_name("bash|zsh|fish")->required();
    sub->footer("\nExample:\n  turnstone completion bash > /etc/bash_completion.d/turnstone\n");
    sub->callback([this] {
      const std::optional<std::string> script = completion(tree_of(app_), shell_);
      command_ = script ? ExitCommand{0, *script}
                        : ExitCommand{2, "turnstone: completion: expected bash, zsh or fish\n"};
    });
  }

  void add_credentials() {
    CLI::App* sub = app_.add_subcommand("credentials", "Mint a TURN credential that expires");
    sub->add_option("--secret", credentials_.secret, "Shared secret, as in auth.secrets")
        ->type_name("SECRET");
    sub->add_option("-c,--config", credentials_.config_file, "Take the first secret of this configuration")
        ->type_name("FILE")
        ->envname("TURNSTONE_CONFIG");
    sub->add_option("--user", credentials_.user, "Name inside the credential")->type_name("NAME")->required();
    sub->add_option("--ttl", ttl_, "Life of the credential, such as 10m or 12h [1h]")->type_name("TIME");
    sub->add_flag("--jwt", credentials_.jwt, "A JSON Web Token, signed with a secret of auth.jwt_secrets");
    sub->add_option("--audience", credentials_.audience, "The token's aud [auth.jwt_audience]")
        ->type_name("NAME");
    add_policy(*sub);
    const std::map<std::string, CredentialsFormat> formats = {{"text", CredentialsFormat::Text},
                                                              {"json", CredentialsFormat::Json},
                                                              {"ice", CredentialsFormat::Ice}};
    sub->add_option("--format", credentials_.format,
                    "text, json (TURN REST), or ice (RTCConfiguration) [text]")
        ->type_name("FORMAT")
        ->transform(CLI::Transformer(formats).description(""))
        ->check(CLI::IsMember({CredentialsFormat::Text, CredentialsFormat::Json, CredentialsFormat::Ice})
                    .description(""));
    sub->add_option("--url", credentials_.urls, "ICE server URL for json and ice")
        ->type_name("URL ...")
        ->allow_extra_args(false);
    sub->footer(
        "\nExample:\n  turnstone credentials --secret S --user alice --format ice --url "
        "turn:turn.example.org\n");
    sub->callback([this] { on_parsed_ = [this] { finish_credentials(); }; });
  }

  /// What the credential allows (docs/credentials.md).
  void add_policy(CLI::App& sub) {
    auth::Policy& policy = credentials_.policy;
    const auto add = [&](const char* name, auto& value, const char* what, const char* type) {
      return sub.add_option(name, value, what)->type_name(type)->group("Policy");
    };
    add("--room", policy.room, "Room, by which it can be revoked", "NAME");
    add("--member", policy.member, "Member, by which it can be revoked", "NAME");
    add("--peer", peers_, "Network of peers that it may reach", "CIDR ...")->allow_extra_args(false);
    add("--bit-rate", policy.max_bits_per_second, "Bits a second, relayed in both directions", "N")
        ->check(CLI::Range(std::uint64_t{1}, auth::kMaxPolicyBitsPerSecond).description(""));
    add("--packet-rate", policy.max_packets_per_second, "Packets a second in both directions", "N")
        ->check(CLI::PositiveNumber.description(""));
    add("--allocations", policy.max_allocations, "Allocations at a time", "N")
        ->check(CLI::PositiveNumber.description(""));
    add("--ip", clients_, "Address or network that clients must come from", "CIDR ...")
        ->allow_extra_args(false);
  }

  /// False: `text` holds something that is no network, and command_ says so.
  bool read_networks(const char* flag, const std::vector<std::string>& texts, std::vector<IpNetwork>& out) {
    for (const std::string& text : texts) {
      const auto network = IpNetwork::parse(text);
      if (!network) {
        command_ = ExitCommand{2, std::string("turnstone: ") + flag +
                                      ": expected a network such as 192.0.2.0/24, found \"" + text + "\"\n"};
        return false;
      }
      out.push_back(*network);
    }
    return true;
  }

  void finish_credentials() {
    if (!read_networks("--peer", peers_, credentials_.policy.peers)) return;
    if (!read_networks("--ip", clients_, credentials_.policy.clients)) return;
    if (!ttl_.empty()) {
      const auto ttl = config::duration_from(ttl_);
      if (!ttl || *ttl < std::chrono::seconds(1)) {
        command_ = ExitCommand{
            2, "turnstone: --ttl: expected a duration such as 10m or 1h, found \"" + ttl_ + "\"\n"};
        return;
      }
      credentials_.ttl = std::chrono::duration_cast<std::chrono::seconds>(*ttl);
    }
    if (credentials_.format == CredentialsFormat::Ice && credentials_.urls.empty()) {
      command_ =
          ExitCommand{2, "turnstone: --format ice needs --url, such as --url turn:turn.example.org:3478\n"};
      return;
    }
    command_ = credentials_;
  }

  void add_probe() {
    CLI::App* sub = app_.add_subcommand("probe", "Ask a server as a client would, and say what works");
    sub->add_option("url", probe_.urls, "stun:, stuns:, turn:, turns:, ws:, wss:, http: or https: URLs")
        ->type_name("URL ...")
        ->required();
    sub->add_option("--timeout", timeout_, "How long to wait for each answer [5s]")->type_name("TIME");
    sub->add_option("--user", probe_.user, "Username")->type_name("NAME");
    sub->add_option("--password", probe_.password, "Password")->type_name("PASSWORD");
    sub->add_option("--secret", probe_.secret, "Shared secret: mint the credential")->type_name("SECRET");
    sub->add_option("--token", probe_.token, "Signaling token")->type_name("TOKEN");
    sub->add_flag("--insecure", probe_.insecure, "Accept any TLS certificate");
    sub->add_flag("--json", probe_.json, "Print JSON");
    sub->footer("\nExample:\n  turnstone probe stun:turn.example.org turn:turn.example.org --secret S\n");
    sub->callback([this] { on_parsed_ = [this] { finish_probe(); }; });
  }

  void finish_probe() {
    if (read_timeout(probe_.timeout)) command_ = probe_;
  }

  void add_doctor() {
    CLI::App* sub =
        app_.add_subcommand("doctor", "Examine this host and the configuration, and say what to do");
    ConfigFlags& flags = flags_.emplace_back();
    flags.add_to(*sub);
    sub->add_option("--server", doctor_.server, "STUN server outside of this network, to be seen by")
        ->type_name("URL");
    sub->add_flag("--json", doctor_.json, "Print JSON");
    sub->footer(
        "\nExit status: 0 without a fault, 1 with faults, 2 when it could not be run. Warnings, and what "
        "could "
        "not be\nfound out, are no faults.\n\nExample:\n  turnstone doctor --config "
        "/etc/turnstone/turnstone.yaml --server stun:stun.example.org\n");
    sub->callback([this, &flags] {
      doctor_.source = flags.source();
      command_ = doctor_;
    });
  }

  void add_ctl() {
    CLI::App* sub = app_.add_subcommand("ctl", "Look at a running server and tell it what to do (admin API)");
    sub->require_subcommand(1);
    for (const ctl::CommandInfo& command : ctl::commands()) add_ctl_command(*sub, command);
    sub->footer(
        "\nExamples:\n  turnstone ctl allocations --user alice --config /etc/turnstone/turnstone.yaml\n"
        "  turnstone ctl drain --wait\n");
    CLI::App* reload = app_.add_subcommand("reload", "Make a running server read its configuration anew");
    add_ctl_access(*reload);
    reload->callback([this] { on_parsed_ = [this] { finish_ctl("reload"); }; });
  }

  void add_ctl_access(CLI::App& sub) {
    sub.add_option("-c,--config", ctl_.config_file, "Take address and token from this configuration")
        ->type_name("FILE")
        ->envname("TURNSTONE_CONFIG");
    sub.add_option("--url", ctl_.url, "The admin API [http://127.0.0.1:8081]")->type_name("URL");
    sub.add_option("--token-file", ctl_.token_file, "File with the token")->type_name("FILE");
    sub.add_option("--timeout", timeout_, "How long to wait for an answer [10s]")->type_name("TIME");
    sub.add_flag("--json", ctl_.json, "Print JSON");
  }

  void add_ctl_command(CLI::App& parent, const ctl::CommandInfo& command) {
    CLI::App* sub = parent.add_subcommand(command.name, command.what);
    add_ctl_access(*sub);
    for (const char* name : command.arguments) {
      const bool optional = *name == '[';
      const std::string plain =
          optional ? std::string(name + 1).substr(0, std::string(name).size() - 2) : name;
      std::string& place = arguments_[std::string(command.name) + ' ' + plain];
      CLI::Option* option = sub->add_option(plain, place, "")->type_name("");
      if (!optional) option->required();
      ctl_places_[command.name].push_back({option, &place});
    }
    for (const ctl::Flag& flag : command.flags) {
      const std::string name = std::string(flag.name).substr(2);
      sub->add_option_function<std::string>(
             flag.name, [this, name](const std::string& value) { ctl_.parameters[name] = value; }, flag.what)
          ->type_name(flag.type);
    }
    if (std::string_view(command.name) == "drain")
      sub->add_flag("--wait", ctl_.wait, "Return when no allocation and no session is left");
    const std::string name = command.name;
    sub->callback([this, name] { on_parsed_ = [this, name] { finish_ctl(name); }; });
  }

  void finish_ctl(const std::string& name) {
    ctl_.command = name;
    for (const auto& [option, place] : ctl_places_[name]) {
      if (option->count() == 0) continue;
      if (place->empty()) {
        // A variable of a script that is not set: what stands behind it must not take its place.
        command_ = ExitCommand{2, "turnstone: ctl " + name + ": an argument is empty\n"};
        return;
      }
      ctl_.arguments.push_back(*place);
    }
    if (read_timeout(ctl_.timeout)) command_ = ctl_;
  }

  /// False: it is none, and command_ says so.
  bool read_timeout(std::chrono::milliseconds& to) {
    if (timeout_.empty()) return true;
    const auto timeout = config::duration_from(timeout_);
    if (timeout && timeout->count() != 0) {
      to = *timeout;
      return true;
    }
    command_ = ExitCommand{
        2, "turnstone: --timeout: expected a duration such as 500ms or 5s, found \"" + timeout_ + "\"\n"};
    return false;
  }

  CLI::App app_{"STUN, TURN, WebSocket signaling and metrics in one process."};
  std::deque<ConfigFlags> flags_;
  CredentialsOptions credentials_;
  std::vector<std::string> peers_;
  std::vector<std::string> clients_;
  ProbeOptions probe_;
  CtlOptions ctl_;
  DoctorCommand doctor_;
  std::map<std::string, std::string> arguments_;  // whose values have stable addresses
  std::map<std::string, std::vector<std::pair<const CLI::Option*, const std::string*>>> ctl_places_;
  ConfigMigrateCommand migrate_;
  std::string shell_;
  std::string ttl_;
  std::string timeout_;
  std::function<void()> on_parsed_;
  std::optional<Command> command_;
};

}  // namespace

Command parse_command_line(int argc, const char* const* argv) { return Parser().parse(argc, argv); }

}  // namespace ts::app
