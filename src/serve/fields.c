/* fields.c - see fields.h. */
#include "serve/fields.h"

#include <math.h>
#include <string.h>

const json_t *glim_field(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

bool glim_field_type_error(glim_api_error *e, const char *param, const json_t *got, const char *want) {
    return glim_api_fail(e, 400, "invalid_type", param, "\"%s\": got %s, want %s", param, glim_json_type_name(got), want);
}

bool glim_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    int64_t got;
    if (json_is_integer(v)) got = json_integer_value(v);
    else if (json_is_real(v) && trunc(json_real_value(v)) == json_real_value(v) && fabs(json_real_value(v)) < 9e15)
        got = (int64_t)json_real_value(v);
    else if (json_is_real(v))
        return glim_api_fail(e, 400, "invalid_value", key, "\"%s\": got %g, want an integer", key, json_real_value(v));
    else return glim_field_type_error(e, key, v, "an integer");
    if (got < lo || got > hi) {
        if (hi == INT64_MAX)
            return glim_api_fail(e, 400, "invalid_value", key, "\"%s\": got %lld, want %lld or more", key, (long long)got, (long long)lo);
        return glim_api_fail(e, 400, "invalid_value", key, "\"%s\": got %lld, want %lld to %lld", key, (long long)got,
                             (long long)lo, (long long)hi);
    }
    *out = got;
    return true;
}

bool glim_field_real(const json_t *o, const char *key, double lo, double hi, double *out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    if (!json_is_number(v)) return glim_field_type_error(e, key, v, "a number");
    double got = json_number_value(v);
    if (!(got >= lo && got <= hi))
        return glim_api_fail(e, 400, "invalid_value", key, "\"%s\": got %g, want %g to %g", key, got, lo, hi);
    *out = got;
    return true;
}

bool glim_field_bool(const json_t *o, const char *key, bool *out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    if (!json_is_boolean(v)) return glim_field_type_error(e, key, v, "true or false");
    *out = json_is_true(v);
    return true;
}

bool glim_field_str(const json_t *o, const char *key, const char **out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    if (!json_is_string(v)) return glim_field_type_error(e, key, v, "a string");
    if (strlen(json_string_value(v)) != json_string_length(v))
        return glim_api_fail(e, 400, "invalid_value", key, "\"%s\": got a string with a NUL in it", key);
    *out = json_string_value(v);
    return true;
}

const char *glim_field_word(const json_t *v) {
    const char *s = json_string_value(v);
    return s && strlen(s) != json_string_length(v) ? "" : s;
}

bool glim_field_object(const json_t *o, const char *key, const json_t **out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    if (!json_is_object(v)) return glim_field_type_error(e, key, v, "an object");
    *out = v;
    return true;
}

bool glim_field_array(const json_t *o, const char *key, const json_t **out, glim_api_error *e) {
    const json_t *v = glim_field(o, key);
    if (!v) return true;
    if (!json_is_array(v)) return glim_field_type_error(e, key, v, "an array");
    *out = v;
    return true;
}
