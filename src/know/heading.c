/* heading.c - see heading.h. */
#include "know/heading.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "know/filter_words.h"
#include "know/terms.h"
#include "know/units.h"

enum { HEADING = 256 };

/* Units that are said in another way in the other language. */
static const char *const pairs[][2] = {{"天", "days"}, {"天", "day"}, {"周", "weeks"}, {"个月", "months"}, {"个月", "month"}, {"月", "months"}, {"年", "years"}, {"年", "year"}, {"小时", "hours"}, {"小时", "h"}, {"分钟", "minutes"}, {"分钟", "min"},
                                       {"页", "pages"}, {"件", "pieces"}, {"件", "pcs"}, {"克", "g"}, {"千克", "kg"}, {"公斤", "kg"}, {"米", "m"}, {"厘米", "cm"}, {"毫米", "mm"}, {"英寸", "inches"}, {"升", "L"}, {"毫升", "ml"}, {"瓦", "W"}};
static const char *const plain[] = {"%", "% vol", "vol%", "vol.%", "°c", "℃", "l", "m", "km", "mg", "v", "a", "hz", "db", "oz", "lb", "lbs", "pounds", "ft", "支", "个", "只", "条", "张", "瓶", "盒", "包", "袋", "罐", "台", "套", "本", "份", "杯", "斤", "度", "岁"};

/* What a price is for, and how it is said in the other language. */
static const char *const pieces[][2] = {{"斤", "jin"}, {"公斤", "kg"}, {"千克", "kg"}, {"克", "g"}, {"吨", "t"}, {"米", "m"}, {"平方米", "m²"}, {"平米", "m²"}, {"升", "l"}, {"毫升", "ml"}, {"晚", "night"}, {"晚", "Nacht"}, {"天", "day"}, {"天", "Tag"}, {"周", "week"}, {"月", "month"}, {"年", "year"}, {"小时", "hour"},
                                        {"人", "person"}, {"位", "person"}, {"个", "piece"}, {"个", "pc"}, {"个", "unit"}, {"个", "Stück"}, {"个", "Stk"}, {"件", "piece"}, {"只", "piece"}, {"支", "piece"}, {"条", "piece"}, {"张", "piece"}, {"台", "unit"}, {"份", "portion"}, {"份", "Portion"}, {"瓶", "bottle"}, {"瓶", "Flasche"}, {"盒", "box"}, {"箱", "case"}, {"包", "pack"}, {"袋", "bag"},
                                        {"罐", "can"}, {"杯", "cup"}, {"套", "set"}, {"双", "pair"}, {"对", "pair"}, {"间", "room"}, {"本", "copy"}, {"卷", "roll"}};

/* Words of other languages that stand beside the English one in a heading, folded. */
static const struct {
    const char *word, *en;
} foreign[] = {{"preis", "price"}, {"prix", "price"}, {"precio", "price"}, {"prezzo", "price"}, {"prijs", "price"}, {"preco", "price"}, {"gewicht", "weight"}, {"poids", "weight"}, {"peso", "weight"}, {"farbe", "colour"}, {"couleur", "colour"}, {"colore", "colour"}, {"kleur", "colour"}, {"cor", "colour"}, {"marke", "brand"}, {"hersteller", "brand"}, {"marque", "brand"}, {"marca", "brand"}, {"merk", "brand"},
               {"kategorie", "category"}, {"categorie", "category"}, {"categoria", "category"}, {"warengruppe", "category"}, {"art", "type"}, {"typ", "type"}, {"tipo", "type"}, {"bestand", "stock"}, {"lagerbestand", "stock"}, {"lager", "stock"}, {"existencias", "stock"}, {"voorraad", "stock"}, {"lieferbar", "available"}, {"verfugbar", "available"}, {"vorratig", "available"}, {"disponible", "available"}, {"disponibile", "available"}, {"beschikbaar", "available"},
               {"grosse", "size"}, {"taille", "size"}, {"tamano", "size"}, {"taglia", "size"}, {"maat", "size"}, {"lange", "length"}, {"longueur", "length"}, {"longitud", "length"}, {"lunghezza", "length"}, {"breite", "width"}, {"largeur", "width"}, {"ancho", "width"}, {"larghezza", "width"}, {"hohe", "height"}, {"hauteur", "height"}, {"altura", "height"}, {"alto", "height"}, {"altezza", "height"}, {"tiefe", "depth"}, {"profondeur", "depth"}, {"durchmesser", "diameter"}, {"diametre", "diameter"},
               {"leistung", "power"}, {"puissance", "power"}, {"potencia", "power"}, {"potenza", "power"}, {"werkstoff", "material"}, {"materiau", "material"}, {"materiale", "material"}, {"herkunft", "origin"}, {"land", "country"}, {"origine", "origin"}, {"origen", "origin"}, {"pays", "country"}, {"pais", "country"}, {"paese", "country"}, {"bewertung", "rating"}, {"garantie", "warranty"}, {"gewahrleistung", "warranty"}, {"garantia", "warranty"}, {"garanzia", "warranty"},
               {"sprache", "language"}, {"langue", "language"}, {"idioma", "language"}, {"lingua", "language"}, {"jahr", "year"}, {"baujahr", "year"}, {"jahrgang", "vintage"}, {"annee", "year"}, {"ano", "year"}, {"anno", "year"}, {"seiten", "pages"}, {"autor", "author"}, {"auteur", "author"}, {"autore", "author"}, {"dauer", "duration"}, {"duree", "duration"}, {"duracion", "duration"}, {"durata", "duration"}, {"ort", "location"}, {"lieu", "location"}, {"beschreibung", "description"}, {"descripcion", "description"}, {"descrizione", "description"},
               {"bemerkung", "notes"}, {"bemerkungen", "notes"}, {"hinweise", "notes"}, {"remarques", "notes"}, {"lieferzeit", "delivery time"}, {"akku", "battery"}, {"speicher", "storage"}, {"arbeitsspeicher", "memory"}, {"bildschirm", "screen"}, {"flache", "area"}, {"wohnflache", "area"}, {"alkohol", "alcohol"}, {"alkoholgehalt", "alcohol"}};

static bool in_plain(const char *s) {
    for (size_t i = 0; i < GLIM_COUNT(plain); i++)
        if (strcasecmp(s, plain[i]) == 0) return true;
    return false;
}

static const char *currency(const char *s) {
    static const char *const signs[][2] = {{"eur", "€"}, {"euro", "€"}, {"euros", "€"}, {"€", "€"}, {"欧元", "€"}, {"usd", "$"}, {"$", "$"}, {"us$", "$"}, {"dollars", "$"}, {"dollar", "$"}, {"美元", "$"}, {"gbp", "£"}, {"£", "£"}, {"英镑", "£"},
                                           {"cny", "¥"}, {"rmb", "¥"}, {"yuan", "¥"}, {"¥", "¥"}, {"￥", "¥"}, {"元", "¥"}, {"人民币", "¥"}, {"chf", "CHF"}, {"hkd", "HKD"}, {"jpy", "JPY"}, {"sgd", "SGD"}, {"aud", "AUD"}, {"cad", "CAD"}, {"inr", "INR"}, {"港币", "HKD"}, {"日元", "JPY"}};
    for (size_t i = 0; i < GLIM_COUNT(signs); i++)
        if (strcasecmp(s, signs[i][0]) == 0) return signs[i][1];
    return NULL;
}

/* "km/h", "l/min": one unit. */
static bool a_speed(const char *s) {
    static const char *const times[] = {"h", "s", "min", "hr", "小时", "分钟", "秒"};
    char first[8];
    const size_t n = strcspn(s, "/");
    if (n == 0 || n >= sizeof first || s[n] == 0) return false;
    snprintf(first, sizeof first, "%.*s", (int)n, s);
    for (size_t i = 0; i < GLIM_COUNT(times); i++)
        if (strcasecmp(s + n + 1, times[i]) == 0) return glim_measure_of(first) >= 0 || in_plain(first);
    return false;
}

/* Takes the unit into h; loose: where only what cannot be another word counts, as at the end of "Price €". */
static bool take_unit(glim_heading *h, const char *s, bool loose) {
    const char *money = currency(s);
    if (money) {
        snprintf(h->currency, sizeof h->currency, "%s", money);
        return true;
    }
    const bool word = isalpha((unsigned char)s[0]) != 0;
    if (loose && word && (strlen(s) < 2 || strlen(s) > 3 || strcasecmp(s, "in") == 0 || strcasecmp(s, "min") == 0)) return false;
    const char *zh = NULL, *en = NULL;
    for (size_t i = 0; i < GLIM_COUNT(pairs) && !zh; i++)
        if (strcasecmp(s, pairs[i][0]) == 0 || strcasecmp(s, pairs[i][1]) == 0) zh = pairs[i][0], en = pairs[i][1];
    if (zh) { /* as the heading writes it in its own language */
        if (strcmp(zh, "月") == 0) zh = "个月";
        h->unit_zh = glim_xstrdup((unsigned char)s[0] < 0x80 && strlen(s) < 3 ? s : zh);
        h->unit_en = glim_xstrdup((unsigned char)s[0] < 0x80 ? s : en);
        return true;
    }
    if (glim_measure_of(s) < 0 && !in_plain(s) && !a_speed(s)) return false;
    h->unit_zh = glim_xstrdup(s);
    h->unit_en = glim_xstrdup(s);
    return true;
}

static void trim(char *s) {
    size_t n = strlen(s), from = strspn(s, " ");
    while (n > from && strchr(" ,/:-", s[n - 1])) n--;
    memmove(s, s + from, n - from);
    s[n - from] = 0;
}

static bool cjk_at(const char *s) {
    uint32_t cp;
    return *s && glim_utf8_next(s, strlen(s), &cp) > 0 && glim_term_is_cjk(cp);
}

static bool has_cjk(const char *s) {
    for (; *s; s++)
        if (((unsigned char)*s & 0xc0) != 0x80 && cjk_at(s)) return true;
    return false;
}

/* "kg", "斤", "100 g": what a price is for. */
static bool take_per(glim_heading *h, const char *s) {
    const size_t figure = strspn(s, "0123456789"), at = figure + strspn(s + figure, " "); /* "100 g" */
    const char *zh = NULL, *en = NULL;
    for (size_t i = 0; i < GLIM_COUNT(pieces) && !zh; i++)
        if (strcasecmp(s + at, pieces[i][0]) == 0 || strcasecmp(s + at, pieces[i][1]) == 0) zh = pieces[i][0], en = pieces[i][1];
    if (!zh && glim_measure_of(s + at) >= 0) zh = en = s + at;
    if (!zh) return false;
    glim_buf b = {0};
    glim_buf_printf(&b, "%.*s%s", (int)figure, s, zh);
    h->per_zh = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_clear(&b);
    glim_buf_printf(&b, "%.*s%s%s", (int)figure, s, figure ? " " : "", en);
    h->per_en = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return true;
}

/* "Rate per night", "daily rate"; no "flow rate". */
static bool of_rate(const char *s) {
    static const char *const rates[] = {"rate", "rates", "room rate", "room rates", "daily rate", "nightly rate", "weekly rate", "monthly rate", "hourly rate", "rental rate", "hire rate"};
    for (size_t i = 0; i < GLIM_COUNT(rates); i++)
        if (strcasecmp(s, rates[i]) == 0) return true;
    return false;
}

static bool of_price(const char *s) {
    static const char *const prices[] = {"price", "preis", "prix", "precio", "prezzo", "preço", "prijs", "cost", "fee", "价", "费", "租金", "房租"}, *const whole[] = {"rent", "rental", "fare", "fares", "tariff"};
    static const char *const others[] = {"评价", "性价比", "代价", "价值", "免费"};
    for (size_t i = 0; i < GLIM_COUNT(others); i++)
        if (strstr(s, others[i])) return false;
    for (size_t i = 0; i < GLIM_COUNT(prices); i++) {
        const char *p = strcasestr(s, prices[i]);
        if (p && (p == s || !isalpha((unsigned char)p[-1]) || strcmp(prices[i], "preis") == 0)) return true; /* no "coffee", but "Stückpreis" */
    }
    for (size_t i = 0; i < GLIM_COUNT(whole); i++) {
        const char *p = strcasestr(s, whole[i]);
        if (p && (p == s || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[strlen(whole[i])])) return true; /* no "current" */
    }
    return of_rate(s) || currency(s) != NULL;
}

/* "Price/kg", "价格/斤", "Preis pro Stück": what the price is for is cut off and is no unit of it; "Weight/kg" is left as it is. price: that it is
 * a price is known. */
static bool price_per(glim_heading *h, char *s, bool price) {
    static const char *const marks[] = {"/", "／", "per ", "pro ", "je ", "每"};
    for (size_t i = 0; i < GLIM_COUNT(marks); i++) {
        char *cut = NULL, head[HEADING], tail[32];
        for (char *p = s; (p = strcasestr(p, marks[i])) != NULL; p++)
            if (!isalpha((unsigned char)marks[i][0]) || p == s || p[-1] == ' ') cut = p;
        if (!cut || strlen(cut + strlen(marks[i])) >= sizeof tail) continue;
        snprintf(head, sizeof head, "%.*s", (int)(cut - s), s);
        snprintf(tail, sizeof tail, "%s", cut + strlen(marks[i]));
        trim(head);
        trim(tail);
        if (!(price || of_price(head)) || !take_per(h, tail)) continue;
        *cut = 0;
        trim(s);
        return true;
    }
    return false;
}

/* "Weight (kg)", "单价（元）", "Weight [kg]" lose what is in brackets if that is a unit, or "元/斤", or "per kg" of a price. */
static bool bracketed(glim_heading *h, char *s) {
    static const char *const open[] = {"(", "（", "["}, *const end[] = {")", "）", "]"};
    for (size_t i = 0; i < GLIM_COUNT(open); i++) {
        char *a = strstr(s, open[i]), *e = a ? strstr(a, end[i]) : NULL;
        if (!e) continue;
        char unit[32];
        const char *from = a + strlen(open[i]);
        if (strncasecmp(from, "in ", 3) == 0) from += 3;
        if ((size_t)(e - from) >= sizeof unit) continue;
        snprintf(unit, sizeof unit, "%.*s", (int)(e - from), from);
        trim(unit);
        char before = *a;
        *a = 0;
        const bool per = !h->per_en && price_per(h, unit, of_price(s));
        *a = before;
        if (*unit ? !take_unit(h, unit, false) : !per) continue;
        memmove(a, e + strlen(end[i]), strlen(e + strlen(end[i])) + 1);
        return true;
    }
    return false;
}

/* Behind "/", "天" is a unit of what lasts, "保质期/天", and of nothing else: "评价/天" are so many a day. */
static bool a_time_of_no_duration(const char *s, size_t slash) {
    static const char *const times[] = {"天", "日", "周", "月", "个月", "年", "晚", "夜", "day", "days", "week", "weeks", "month", "months", "year", "years", "night", "nights"};
    static const char *const lasts[] = {"期", "时间", "时长", "寿命", "龄", "续航", "保修", "质保", "时效", "天数", "dauer", "zeit", "garantie", "warranty", "guarantee", "duration", "life", "lifetime", "time", "age", "period", "term", "delivery"};
    bool time = false, duration = false;
    for (size_t i = 0; i < GLIM_COUNT(times); i++) time |= strcasecmp(s + slash + 1, times[i]) == 0;
    for (size_t i = 0; i < GLIM_COUNT(lasts); i++) {
        const char *p = strcasestr(s, lasts[i]);
        if (!p || p >= s + slash) continue;
        const char *e = p + strlen(lasts[i]);
        duration |= (unsigned char)lasts[i][0] >= 0x80 || strcmp(lasts[i], "dauer") == 0 || strcmp(lasts[i], "zeit") == 0 || ((p == s || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)*e)); /* no "average" */
    }
    return time && !duration;
}

/* Is the last word, one letter, a unit of what is said before it: "Weight g", "Power W"? */
static bool measured(const char *s, size_t at) {
    static const struct {
        const char *word, *units;
    } of[] = {{"weight", "gt"}, {"length", "m"}, {"width", "m"}, {"height", "m"}, {"depth", "m"}, {"power", "w"}, {"volume", "l"}, {"capacity", "l"}, {"voltage", "v"}, {"current", "a"}};
    size_t n = at;
    while (n && s[n - 1] == ' ') n--;
    for (size_t i = 0; i < GLIM_COUNT(of) && s[at] && !s[at + 1]; i++) {
        const size_t k = strlen(of[i].word);
        if (n >= k && strncasecmp(s + n - k, of[i].word, k) == 0 && strchr(of[i].units, tolower((unsigned char)s[at]))) return true;
    }
    return false;
}

/* "Price €", "Weight in kg", "重量/kg", "重量kg". What a price is for has been taken before. */
static void trailing(glim_heading *h, char *s) {
    size_t n = strlen(s), at = n;
    while (at > 0 && s[at - 1] != ' ' && s[at - 1] != '/' && s[at - 1] != ',' && !(at < n && (unsigned char)s[at] < 0x80 && (unsigned char)s[at - 1] >= 0x80 && isalpha((unsigned char)s[at]))) at--;
    if (at == 0 || at == n) return;
    const bool slash = s[at - 1] == '/';
    size_t whole = at; /* where "km/h" begins */
    while (slash && whole > 0 && s[whole - 1] != ' ' && s[whole - 1] != ',' && !((unsigned char)s[whole] < 0x80 && (unsigned char)s[whole - 1] >= 0x80)) whole--;
    if (slash && whole > 0 && a_speed(s + whole)) at = whole;
    else if (slash && a_time_of_no_duration(s, at - 1)) return;
    if (!take_unit(h, s + at, !slash && !measured(s, at))) return;
    s[at] = 0;
    trim(s);
    n = strlen(s);
    if (n > 3 && strcasecmp(s + n - 3, " in") == 0) s[n - 3] = 0;
}

/* "Price €/价格": the unit stands behind the first of two names, one of them Chinese. */
static void first_half(glim_heading *h, char *s) {
    char *cut = strchr(s, '/'), both[HEADING];
    if (!cut || h->currency[0] || h->unit_en) return;
    snprintf(both, sizeof both, "%s", cut);
    *cut = 0;
    if (has_cjk(s) != has_cjk(both)) trailing(h, s);
    const size_t n = strlen(s);
    snprintf(s + n, HEADING - n, "%s", both);
}

static char *fold(const char *s) {
    glim_buf b = {0};
    glim_err ignored = {0};
    (void)glim_terms_fold(&b, s, strlen(s), &ignored);
    char *f = glim_xstrdup(glim_buf_cstr(&b));
    glim_buf_free(&b);
    return f;
}

/* What a word of a heading is about: a concept, the words that are none ("available") behind them; -1: not known. *english: it is known in
 * Chinese or English. */
static int about(const char *s, bool *english) {
    static const char *const others[] = {"available", "notes"};
    char *f = fold(s);
    int is = glim_concept_of(f);
    for (size_t i = 0; i < GLIM_COUNT(others) && is < 0; i++)
        if (strcmp(f, others[i]) == 0) is = GLIM_N_CONCEPT + (int)i;
    *english = is >= 0;
    for (size_t i = 0; i < GLIM_COUNT(foreign) && is < 0; i++)
        if (strcmp(f, foreign[i].word) == 0) {
            bool known;
            is = about(foreign[i].en, &known);
        }
    free(f);
    return is;
}

/* "Gewicht / Weight", "价格 Price": two words for one thing, where one is Chinese, or both are known and mean the same in two languages. The
 * English one is what it is called. "Width/Height" are two things: it is called by both, and asked for by either. */
static void two_words(glim_heading *h, char *s) {
    char *cut = strstr(s, "/"), *b = NULL;
    if (cut) {
        *cut = 0;
        b = cut + 1;
    } else {
        for (char *p = s; *p && !b; p++)
            if (*p == ' ' && has_cjk(s) && cjk_at(s) != cjk_at(p + 1) && strlen(p + 1) > 2 && !(isalpha((unsigned char)p[1]) && has_cjk(p + 1))) *p = 0, b = p + 1;
    }
    if (!b) return;
    trim(s);
    trim(b);
    if (!*s || !*b) {
        if (cut) *cut = '/';
        return;
    }
    bool first_en, second_en;
    const int first_is = about(s, &first_en), second_is = about(b, &second_en);
    const bool mixed = has_cjk(s) != has_cjk(b);
    if (mixed ? first_is >= 0 && second_is >= 0 && first_is != second_is : first_is < 0 || first_is != second_is) {
        if (strlen(s) > 3) h->also[0] = glim_xstrdup(s); /* one character, "Y" or "长", is a part of too many words */
        if (strlen(b) > 3) h->also[1] = glim_xstrdup(b);
        const bool capital = b[0] >= 'A' && b[0] <= 'Z' && b[1] >= 'a' && b[1] <= 'z';
        glim_buf whole = {0};
        glim_buf_printf(&whole, "%s/%c%s", s, capital ? b[0] + 32 : b[0], b + 1);
        if (has_cjk(whole.s)) h->zh = glim_xstrdup(whole.s);
        else h->en = glim_xstrdup(whole.s);
        glim_buf_free(&whole);
        return;
    }
    if (mixed) {
        h->zh = glim_xstrdup(has_cjk(s) ? s : b);
        h->en = glim_xstrdup(has_cjk(s) ? b : s);
        return;
    }
    char **name = has_cjk(s) ? &h->zh : &h->en;
    const bool second = second_en && !first_en; /* neither: the first one */
    *name = glim_xstrdup(second ? b : s);
    h->also[0] = glim_xstrdup(second ? s : b);
}

/* "Preis" of "Preis/kg" is a price. */
static void say_english(glim_heading *h, const char *s) {
    char *f = fold(s);
    for (size_t i = 0; i < GLIM_COUNT(foreign) && !h->en; i++)
        if (strcmp(f, foreign[i].word) == 0) h->en = glim_xstrdup(foreign[i].en), h->also[0] = glim_xstrdup(s);
    if (!h->en) h->en = glim_xstrdup(s);
    free(f);
}

void glim_heading_read(glim_heading *h, const char *heading) {
    char s[HEADING];
    *h = (glim_heading){0};
    if (strlen(heading) >= sizeof s) return;
    snprintf(s, sizeof s, "%s", heading);
    for (char *p = s; *p; p++)
        if (*p == '_') *p = ' ';
    trim(s);
    const bool brackets = bracketed(h, s);
    trim(s);
    if (!h->per_en) price_per(h, s, false);
    if (!brackets) trailing(h, s);
    if (!brackets) first_half(h, s);
    if (!h->per_en) price_per(h, s, false); /* "Price/kg €" */
    trim(s);
    if (!*s) return;
    two_words(h, s);
    if (!h->zh && !h->en && strcmp(s, heading) != 0 && (h->unit_en || h->per_en || h->currency[0])) {
        if (has_cjk(s)) h->zh = glim_xstrdup(s);
        else say_english(h, s);
    }
}

void glim_heading_deinit(glim_heading *h) {
    free(h->zh);
    free(h->en);
    free(h->also[0]);
    free(h->also[1]);
    free(h->unit_zh);
    free(h->unit_en);
    free(h->per_zh);
    free(h->per_en);
    *h = (glim_heading){0};
}
