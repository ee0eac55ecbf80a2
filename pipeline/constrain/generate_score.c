/* How likely the alternatives of a choice are, and which is taken. */
#include "pipeline/constrain/generate_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static nj_status no_memory(struct nj_error *error)
{
    return nj_fail(error, "no memory to score a choice");
}

static bool is_child(const struct nj_choice_tree *tree, uint32_t node, uint32_t of)
{
    return tree->nodes.data[node].parent == (int32_t)of;
}

/* The ids of all branches of a node, children first. rows NULL: only counts. */
static size_t branch_rows(const struct nj_choice_tree *tree, uint32_t node, int32_t *rows)
{
    size_t count = 0;
    for (uint32_t i = node + 1; i < tree->nodes.count; i++)
        if (is_child(tree, i, node)) {
            if (rows)
                rows[count] = tree->nodes.data[i].token;
            count++;
        }
    for (uint32_t i = 0; i < tree->end_tokens.count; i++)
        if (tree->end_nodes.data[i] == node) {
            if (rows)
                rows[count] = tree->end_tokens.data[i];
            count++;
        }
    return count;
}

void nj_choice_rows(struct nj_run *run)
{
    run->row_count = branch_rows(&run->tree, run->tree.root, run->rows);
}

static double add_logs(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

/* Whether the alternative may end in this token: behind one that is told, only if it goes on as told. */
static bool may_end_in(const struct nj_run *run, uint32_t alternative, int32_t token)
{
    struct nj_string_view bytes = nj_tokenizer_bytes(run->tokenizer, token);
    return alternative != run->tree.told || !strncmp(run->g->told + run->tree.told_end, bytes.data, bytes.size);
}

/* Turns the logits of a node's branches, in the order of branch_rows, into probabilities of what lies behind them. */
static void score(struct nj_run *run, uint32_t node, const float *logits)
{
    struct nj_choice_tree *tree  = &run->tree;
    struct nj_choice_node *n     = &tree->nodes.data[node];
    double                 total = -INFINITY, ends = -INFINITY;
    float                  best = -INFINITY;
    size_t                 row  = 0;
    for (uint32_t i = node + 1; i < tree->nodes.count; i++)
        if (is_child(tree, i, node))
            total = add_logs(total, logits[row++]);
    for (uint32_t i = 0; i < tree->end_tokens.count; i++) {
        if (tree->end_nodes.data[i] != node)
            continue;
        struct nj_alternative *a = &tree->alternatives.data[n->alternative];
        ends                     = add_logs(ends, logits[row]);
        if ((a->token < 0 || logits[row] > best) && may_end_in(run, n->alternative, tree->end_tokens.data[i])) {
            best     = logits[row];
            a->token = tree->end_tokens.data[i];
        }
        row++;
    }
    total = add_logs(total, ends);
    row   = 0;
    for (uint32_t i = node + 1; i < tree->nodes.count; i++)
        if (is_child(tree, i, node))
            tree->nodes.data[i].log_probability = n->log_probability + logits[row++] - total;
    if (n->alternative != NJ_NONE)
        tree->alternatives.data[n->alternative].log_probability = n->log_probability + ends - total;
    n->scored = true;
}

/* Where there is one way on, it is certain; where the model has not been asked yet, what lies behind is at most as likely. Alternatives that end below a
 * place without an answer get that bound, too: *settled says for each whether its probability is final. */
static void spread(struct nj_choice_tree *tree, bool *settled)
{
    for (uint32_t i = tree->root + 1; i < tree->nodes.count; i++) {
        const struct nj_choice_node *up = &tree->nodes.data[tree->nodes.data[i].parent];
        if (!up->scored)
            tree->nodes.data[i].log_probability = up->log_probability;
    }
    for (uint32_t i = 0; i < tree->alternatives.count; i++) {
        struct nj_alternative *a = &tree->alternatives.data[i];
        settled[i]               = true;
        bool own                 = tree->nodes.data[a->node].alternative == i;
        if (!own || !tree->nodes.data[a->node].scored)
            a->log_probability = tree->nodes.data[a->node].log_probability;
        for (int32_t at = own ? (int32_t)a->node : tree->nodes.data[a->node].parent; at >= (int32_t)tree->root;
             at         = tree->nodes.data[at].parent)
            settled[i] &=
                tree->nodes.data[at].scored || (tree->nodes.data[at].branches == 1 && tree->nodes.data[at].alternative == NJ_NONE);
    }
}

/* --- more passes --- */

static int32_t place_of(const struct nj_choice_pass *pass, uint32_t node)
{
    for (size_t i = 0; i < pass->count; i++)
        if (pass->node[i] == node)
            return (int32_t)i;
    return -1;
}

/* Adds a node and what lies between it and the root; false: there is no room. */
static bool add_to_pass(const struct nj_choice_tree *tree, struct nj_choice_pass *pass, size_t most, uint32_t node)
{
    size_t before = pass->count;
    if (node == tree->root || place_of(pass, node) >= 0)
        return true;
    if (!add_to_pass(tree, pass, most, (uint32_t)tree->nodes.data[node].parent) || pass->count == most) {
        pass->count = before;
        return false;
    }
    pass->ids[pass->count]    = tree->nodes.data[node].token;
    pass->parent[pass->count] = place_of(pass, (uint32_t)tree->nodes.data[node].parent);
    pass->scored[pass->count] = false;
    pass->node[pass->count++] = node;
    return true;
}

static bool leads_to_told(const struct nj_choice_tree *tree, uint32_t node)
{
    uint32_t at = tree->told == NJ_NONE ? 0 : tree->alternatives.data[tree->told].node;
    while (at > node)
        at = (uint32_t)tree->nodes.data[at].parent;
    return at == node;
}

/* Fills a pass with places that have not been asked about, nearest to the root first. */
static bool plan(const struct nj_choice_tree *tree, struct nj_choice_pass *pass, size_t most, double beyond)
{
    pass->count = pass->rows.count = 0;
    for (uint32_t i = tree->root + 1; i < tree->nodes.count; i++) {
        const struct nj_choice_node *n = &tree->nodes.data[i];
        if (n->scored || n->branches == 0 || (n->branches == 1 && n->alternative == NJ_NONE))
            continue;
        if (n->log_probability <= beyond && !leads_to_told(tree, i))
            continue;
        if (!add_to_pass(tree, pass, most, i))
            break;
        size_t count = branch_rows(tree, i, NULL);
        if (!NJ_ROOM(pass->rows, count))
            return false;
        int32_t place          = place_of(pass, i);
        pass->scored[place]    = true;
        pass->first_row[place] = pass->rows.count;
        pass->rows.count += (uint32_t)branch_rows(tree, i, pass->rows.data + pass->rows.count);
    }
    float *logits = realloc(pass->logits, (pass->count * pass->rows.count + 1) * sizeof *logits);
    if (logits)
        pass->logits = logits;
    return logits != NULL;
}

/* The second largest probability of a value that is final: what is less likely than that needs no answer. */
static double second_best(const struct nj_choice_tree *tree, const bool *settled)
{
    double best = -INFINITY, second = -INFINITY;
    for (uint32_t i = 0; i < tree->alternatives.count; i++) {
        double p = tree->alternatives.data[i].log_probability;
        if (!settled[i] || p <= second || tree->alternatives.data[i].text[0] == ']')
            continue;
        second = p > best ? best : p;
        best   = p > best ? p : best;
    }
    return second;
}

/* Takes in what was asked, and plans what is still to ask about alternatives that may matter. */
static nj_status score_places(struct nj_run *run, struct nj_error *error)
{
    struct nj_choice_tree *tree = &run->tree;
    struct nj_choice_pass *pass = &run->pass;
    bool                   settled[NJ_CHOICE_ALTERNATIVES];
    uint32_t               most = nj_engine_tree_nodes(run->engine);
    if (run->state == NJ_RUN_CHOICE)
        score(run, tree->root, run->logits);
    for (size_t i = 0; run->state == NJ_RUN_TREE && i < pass->count; i++)
        if (pass->scored[i])
            score(run, pass->node[i], pass->logits + i * pass->rows.count + pass->first_row[i]);
    spread(tree, settled);
    double beyond = run->g->sampling.temperature > 0 ? -INFINITY : second_best(tree, settled);
    if (!plan(tree, pass, most < NJ_GENERATE_ROOM ? most : NJ_GENERATE_ROOM, beyond))
        return no_memory(error);
    run->state = pass->count ? NJ_RUN_TREE : NJ_RUN_CHOICE;
    return NJ_OK;
}

/* --- taking one --- */

static int32_t likeliest(const struct nj_choice_tree *tree, const bool *out, uint32_t but)
{
    int32_t best = -1;
    for (uint32_t i = 0; i < tree->alternatives.count; i++)
        if (i != but && !out[i] && (best < 0 || tree->alternatives.data[i].log_probability > tree->alternatives.data[best].log_probability))
            best = (int32_t)i;
    return best;
}

static uint32_t sampled(struct nj_run *run)
{
    const struct nj_choice_tree *tree = &run->tree;
    for (uint32_t i = 0; i < tree->alternatives.count; i++)
        run->logits[i] = (float)tree->alternatives.data[i].log_probability;
    return nj_sample(&run->g->sampling, run->g->random, run->logits, tree->alternatives.count, run->order);
}

/* The tokens of an alternative behind the root, in order. */
static bool tokens_of(const struct nj_choice_tree *tree, uint32_t which, struct nj_ids *ids)
{
    const struct nj_alternative *a = &tree->alternatives.data[which];
    if (a->node > tree->root)
        for (uint32_t at = a->node; at != tree->root; at = (uint32_t)tree->nodes.data[at].parent)
            if (!nj_ids_add(ids, tree->nodes.data[at].token))
                return false;
    for (size_t i = 0, k = ids->count; i + 1 < k; i++, k--) {
        int32_t swap     = ids->data[i];
        ids->data[i]     = ids->data[k - 1];
        ids->data[k - 1] = swap;
    }
    return a->token < 0 || nj_ids_add(ids, a->token);
}

static double probability(const struct nj_choice_tree *tree, uint32_t which, double of)
{
    double p = exp(tree->alternatives.data[which].log_probability);
    return p < of ? p / of : 1;
}

/* Notes what was decided. Where an array might have ended instead, the probabilities are those among its items; that it did end is no value to note. */
static nj_status record(struct nj_run *run, uint32_t which, struct nj_error *error)
{
    const struct nj_choice_tree *tree                        = &run->tree;
    struct nj_generation        *g                           = run->g;
    bool                         out[NJ_CHOICE_ALTERNATIVES] = {false};
    double                       items                       = 1;
    if (tree->alternatives.data[which].text[0] == ']')
        return NJ_OK;
    for (uint32_t i = 0; i < tree->alternatives.count; i++)
        if (tree->alternatives.data[i].text[0] == ']') {
            out[i] = true;
            items -= exp(tree->alternatives.data[i].log_probability);
        }
    int32_t           second = likeliest(tree, out, which);
    struct nj_choice *larger = second < 0 ? NULL : realloc(g->choices, (g->choice_count + 1) * sizeof *larger);
    if (second < 0)
        return NJ_OK; /* one value only */
    if (!larger)
        return no_memory(error);
    g->choices                    = larger;
    struct nj_choice *choice      = &g->choices[g->choice_count++];
    *choice                       = (struct nj_choice){.path = strdup(tree->path), .value = strdup(tree->alternatives.data[which].text)};
    choice->probability           = probability(tree, which, items);
    choice->runner_up             = strdup(tree->alternatives.data[second].text);
    choice->runner_up_probability = probability(tree, (uint32_t)second, items);
    return choice->path && choice->value && choice->runner_up ? NJ_OK : no_memory(error);
}

/* Takes an alternative if the document can still be closed behind it. */
static nj_status take(struct nj_run *run, uint32_t which, bool *taken, struct nj_error *error)
{
    struct nj_ids ids    = {0};
    nj_status     status = tokens_of(&run->tree, which, &ids) ? nj_constraint_copy(run->look, run->now, error) : no_memory(error);
    for (size_t i = 0; i < ids.count && status == NJ_OK; i++)
        status = nj_constraint_advance(run->look, ids.data[i], error);
    if (status == NJ_OK)
        status = nj_run_fits(run, run->look, ids.count, taken, error);
    for (size_t i = 0; i < ids.count && status == NJ_OK && *taken; i++)
        status = nj_run_commit(run, ids.data[i], error);
    if (status == NJ_OK && *taken) {
        run->g->choice_tokens += ids.count;
        status = record(run, which, error);
    }
    free(ids.data);
    return status == NJ_NOT_FOUND ? NJ_ERROR : status;
}

nj_status nj_choice_answer(struct nj_run *run, struct nj_error *error)
{
    struct nj_choice_tree *tree                        = &run->tree;
    bool                   out[NJ_CHOICE_ALTERNATIVES] = {false}, taken = false;
    nj_status              status = score_places(run, error);
    int32_t                which  = -1;
    if (status == NJ_OK && run->state == NJ_RUN_TREE)
        return NJ_OK;
    if (status == NJ_OK && tree->told != NJ_NONE)
        which = (int32_t)tree->told;
    else if (status == NJ_OK)
        which = run->g->sampling.temperature > 0 && run->g->random ? (int32_t)sampled(run) : likeliest(tree, out, NJ_NONE);
    while (status == NJ_OK && which >= 0 && !taken) {
        status     = take(run, (uint32_t)which, &taken, error);
        out[which] = true;
        which      = likeliest(tree, out, NJ_NONE);
    }
    return status == NJ_OK && !taken ? nj_run_close_document(run, error) : status;
}
