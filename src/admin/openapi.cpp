// SPDX-License-Identifier: Apache-2.0
// The OpenAPI document, out of the table of routes.
#include <nlohmann/json.hpp>

#include <turnstone/admin/api.hpp>

namespace ts::admin {
namespace {

using Json = nlohmann::ordered_json;

Json schema_of(const Parameter& parameter) {
  Json out = Json::object();
  out["type"] = parameter.type == Parameter::Type::Count ? "integer" : "string";
  if (parameter.type == Parameter::Type::Count) {
    out["minimum"] = parameter.least;
    out["maximum"] = parameter.most;
  }
  if (!parameter.one_of.empty()) out["enum"] = parameter.one_of;
  if (parameter.in == Parameter::In::Body) out["description"] = parameter.doc;
  return out;
}

Json body_of(const Route& route) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Parameter& p : route.parameters) {
    if (p.in != Parameter::In::Body) continue;
    properties[std::string(p.name)] = schema_of(p);
    if (p.required) required.push_back(p.name);
  }
  if (properties.empty()) return nullptr;
  Json out = Json::object();
  out["required"] = true;
  Json& schema = out["content"]["application/json"]["schema"];
  schema["type"] = "object";
  schema["properties"] = properties;
  schema["required"] = required;
  schema["additionalProperties"] = false;
  return out;
}

Json operation_of(const Route& route) {
  Json out = Json::object();
  out["operationId"] = route.name;
  out["summary"] = route.summary;
  Json parameters = Json::array();
  for (const Parameter& p : route.parameters) {
    if (p.in == Parameter::In::Body) continue;
    Json one = Json::object();
    one["name"] = p.name;
    one["in"] = p.in == Parameter::In::Path ? "path" : "query";
    one["required"] = p.required;
    one["description"] = p.doc;
    one["schema"] = schema_of(p);
    parameters.push_back(one);
  }
  if (!parameters.empty()) out["parameters"] = parameters;
  if (const Json body = body_of(route); !body.is_null()) out["requestBody"] = body;
  const bool yaml = route.operation == Operation::ShowConfig;
  Json& success = out["responses"][std::to_string(route.status)];
  success["description"] = "Done.";
  success["content"][yaml ? "application/yaml" : "application/json"]["schema"]["type"] =
      yaml ? "string" : "object";
  out["responses"]["default"]["$ref"] = "#/components/responses/Error";
  return out;
}

}  // namespace

std::string openapi(std::string_view version) {
  Json paths = Json::object();
  for (const Route& route : routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c + ('a' - 'A'));
    paths[std::string(route.path)][method] = operation_of(route);
  }
  Json out = Json::object();
  out["openapi"] = "3.1.0";
  out["info"]["title"] = "Turnstone admin API";
  out["info"]["version"] = version;
  Json need = Json::object();
  need["token"] = Json::array();
  out["security"] = Json::array();
  out["security"].push_back(need);
  out["paths"] = paths;
  Json& components = out["components"];
  components["securitySchemes"]["token"]["type"] = "http";
  components["securitySchemes"]["token"]["scheme"] = "bearer";
  Json& error = components["schemas"]["Error"];
  error["type"] = "object";
  for (const char* name : {"error", "message"}) {
    error["properties"][name]["type"] = "string";
    error["required"].push_back(name);
  }
  // Of a configuration: each of them.
  error["properties"]["problems"]["type"] = "array";
  error["properties"]["problems"]["items"]["type"] = "string";
  Json& response = components["responses"]["Error"];
  response["description"] = "Why not, in words.";
  response["content"]["application/json"]["schema"]["$ref"] = "#/components/schemas/Error";
  return out.dump(2) + '\n';
}

}  // namespace ts::admin
