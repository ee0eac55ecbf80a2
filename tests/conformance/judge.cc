// Judges documents by valijson and nlohmann/json, which share nothing with our grammars: JSON lines on stdin, {"name", "schema"} before the {"document"} lines that
// belong to it (test_generations.c). Prints each document that is not valid, then the counts. Not judged: numbers beyond what this parser holds, and characters
// beyond ASCII under a pattern with \\s, which std::regex knows for ASCII only. It knows draft-07, so prefixItems is put into that draft's words.
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

using nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

static bool has_digits(const std::string &text, size_t many)
{
    size_t digits = 0;
    for (char c : text) {
        digits = c >= '0' && c <= '9' ? digits + 1 : 0;
        if (digits >= many)
            return true;
    }
    return false;
}

static bool is_ascii(const std::string &text)
{
    for (char c : text)
        if (static_cast<unsigned char>(c) > 0x7F)
            return false;
    return true;
}

static void to_draft7(json &schema)
{
    if (schema.is_object() && schema.contains("prefixItems")) {
        if (schema.contains("items"))
            schema["additionalItems"] = schema["items"];
        schema["items"] = schema["prefixItems"];
        schema.erase("prefixItems");
    }
    for (auto &part : schema)
        if (part.is_structured())
            to_draft7(part);
}

int main()
{
    std::unique_ptr<valijson::Schema> schema;
    std::string                       line, name;
    json                              source; // the schema points into it
    bool                              spaces = false;
    std::map<std::string, size_t>     count;
    while (std::getline(std::cin, line)) {
        json row = json::parse(line);
        if (row.contains("schema")) {
            name   = row["name"];
            source = row["schema"];
            spaces = source.dump().find("\\\\s") != std::string::npos;
            to_draft7(source);
            schema = std::make_unique<valijson::Schema>();
            valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
            parser.populateSchema(Adapter(source), *schema);
            count["schemas"]++;
            continue;
        }
        const std::string text     = row["document"];
        json              document = json::parse(text, nullptr, false);
        if (has_digits(text, 19) || (document.is_discarded() && has_digits(text, 3)) || (spaces && !is_ascii(text))) {
            count["unjudged"]++;
            continue;
        }
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        bool                valid = !document.is_discarded() && validator.validate(*schema, Adapter(document), nullptr);
        count[valid ? "valid" : "invalid"]++;
        if (!valid)
            std::cout << name << ": " << text << "\n";
    }
    std::cout << count["valid"] << " valid, " << count["invalid"] << " invalid, " << count["unjudged"] << " not judged, " << count["schemas"]
              << " schemas\n";
    return count["invalid"] != 0 || count["valid"] == 0;
}
