/* bench_html.c - see bench_report.h: the page. */
#include <stdio.h>
#include <string.h>

#include "daemon/bench/bench_charts.h"
#include "daemon/bench/bench_report.h"
#include "daemon/bench/bench_svg.h"

enum { EVENTS_SHOWN = 500, TIME_BYTES = 64 };

/* Colours that stay apart for those who see few of them (Okabe and Ito 2008, and lighter and darker ones of these). */
static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>dreamvla-bench report</title>\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<style>\n"
	"body{font:15px/1.45 sans-serif;color:#222;background:#fff;max-width:960px;margin:24px auto;padding:0 16px}\n"
	"h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px;border-bottom:1px solid #ddd;padding-bottom:4px}\n"
	"p{margin:4px 0 8px;color:#555}.none{font-style:italic}svg{display:block;max-width:100%;height:auto;margin:8px 0}\n"
	"table{border-collapse:collapse;font-size:13px}th,td{padding:3px 12px 3px 0;text-align:right;border-bottom:1px solid #eee;vertical-align:top}\n"
	"th{color:#666;font-weight:600}th:first-child,td:first-child,td.t,th.t{text-align:left}pre{font-size:12px;background:#f6f6f6;padding:8px;overflow:auto}\n"
	"text{font-family:sans-serif}.tick{font-size:11px;fill:#444}.small{font-size:9px;fill:#666}.label{font-size:12px;fill:#666}.name{font-size:13px;font-weight:600;fill:#222}\n"
	".in{font-size:12px;fill:#222}.grid{stroke:#e8e8e8}.axis{stroke:#999}.bar{fill:#0072b2}.sum{fill:#b5cfe2}.late{fill:#9ecae1}.middle{fill:#d55e00}\n"
	".travels{fill:#ccc}.waits{fill:#e69f00}.infers{fill:#0072b2}.moves{fill:#9ed9c3}\n"
	".BOOT{fill:#ddd}.READY{fill:#cfe3f1}.AUTO{fill:#9ed9c3}.SHADOW{fill:#d7c7e6}.TELEOP{fill:#f5d48b}.HOLD{fill:#f3e9a5}.RETURN{fill:#b8dcef}.FAULT{fill:#f0a58a}\n"
	".curve{fill:none;stroke-width:1.8}.dashed{stroke-dasharray:5 3}.c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}.c4{stroke:#e69f00}.c5{stroke:#56b4e9}\n"
	".c6{stroke:#000}.c7{stroke:#7f3b08}.c8{stroke:#542788}.c9{stroke:#888}.c10{stroke:#b2abd2}.c11{stroke:#66a61e}\n"
	"</style></head><body>\n";

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static void write_when(FILE *out, const struct bench_trace *t, int64_t t_ns)
{
	char text[TIME_BYTES];

	trace_wall_text(t, t_ns, "%Y-%m-%d %H:%M:%S", text, sizeof text);
	fputs(text, out);
}

static void write_head(FILE *out, const struct bench_trace *t, const struct trace_stages *s)
{
	fputs(head, out);
	fputs("<h1>", out);
	html_text(out, *trace_note(t, "title") ? trace_note(t, "title") : "dreamvla-bench report");
	fputs("</h1>\n<p>", out);
	write_when(out, t, t->begin_ns);
	fprintf(out, " &middot; %.1f s &middot; %zu chunks &middot; %zu control ticks", (double)(t->end_ns - t->begin_ns) / 1e9, t->n_chunks, t->n_ticks);
	if (s->whole.n > 0)
		fprintf(out, " &middot; frame to end of its way: p50 %.1f ms, worst %.1f ms", ms(spread_quantile(&s->whole, 0.5)), ms(spread_max(&s->whole)));
	if (s->n_unfinished > 0)
		fprintf(out, " &middot; %zu chunks that did not get there (dropped, or cut by the ends of the run)", s->n_unfinished);
	fputs("</p>\n", out);
	if (t->n_lost > 0)
		fprintf(out, "<p><b>%llu records are missing: the recorder was too slow. What is shown here may be too good.</b></p>\n",
				(unsigned long long)t->n_lost);
}

/* Of fewer values than one beyond it takes it would be the largest once more. */
static void write_quantile(FILE *out, const struct spread *s, double quantile)
{
	if ((double)s->n * (1 - quantile) < 1 - 1e-9)
		fputs("<td>-</td>", out);
	else
		fprintf(out, "<td>%.3f</td>", ms(spread_quantile(s, quantile)));
}

static void write_row(FILE *out, const char *name, const struct spread *s)
{
	if (s->n == 0)
		return;
	fputs("<tr><td>", out);
	html_text(out, name);
	fprintf(out, "</td><td>%zu</td>", s->n);
	for (int i = 0; i < 4; i++)
		write_quantile(out, s, (const double[]){ 0.5, 0.9, 0.99, 0.999 }[i]);
	fprintf(out, "<td>%.3f</td><td>%.3f</td></tr>\n", ms(spread_max(s)), spread_mean(s) / 1e6);
}

/* What this machine's timers can do without dreamvlad: the floor of the row above. */
static void write_cyclictest(FILE *out, const struct percentiles *c)
{
	if (c->n > 0)
		fprintf(out, "<tr><td>lateness of cyclictest beside it</td><td>%llu</td><td>%.3f</td><td>-</td><td>%.3f</td><td>%.3f</td><td>%.3f</td><td>-</td></tr>\n",
				(unsigned long long)c->n, ms(c->p50_ns), ms(c->p99_ns), ms(c->p999_ns), ms(c->max_ns));
}

static void write_stages(FILE *out, const struct bench_trace *t, const struct trace_stages *s)
{
	fputs("<h2>Stages (ms)</h2>\n<table><tr><th>stage</th><th>values</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th>mean</th></tr>\n",
			out);
	for (uint32_t k = 0; k < t->n_stages; k++)
		write_row(out, t->stage[k], &s->stage[k]);
	write_row(out, "lateness of a control tick", &s->late);
	write_cyclictest(out, &t->cyclictest);
	fputs("</table>\n", out);
}

static void write_count(FILE *out, const char *name, uint64_t n)
{
	fputs("<tr><td>", out);
	html_text(out, name);
	fprintf(out, "</td><td>%llu</td></tr>\n", (unsigned long long)n);
}

static void write_counts(FILE *out, const struct bench_trace *t)
{
	if (t->n_counts == 0)
		return;
	fputs("<h2>Counted</h2>\n<table><tr><th>what</th><th>times</th></tr>\n", out);
	for (uint32_t i = 0; i < t->n_counts; i++)
		write_count(out, t->count[i].name, trace_count_grown(&t->count[i]));
	write_count(out, "underruns", trace_refusals(t, REASON_UNDERRUN));
	write_count(out, "targets_refused", trace_refusals(t, REASON_TARGET_REFUSED));
	fputs("</table>\n", out);
}

static void write_events(FILE *out, const struct bench_trace *t)
{
	size_t n = t->n_events < EVENTS_SHOWN ? t->n_events : EVENTS_SHOWN;

	if (n == 0)
		return;
	fputs("<table><tr><th>s</th><th class=\"t\">time</th><th class=\"t\">what</th><th class=\"t\">mode</th><th class=\"t\">reason</th></tr>\n", out);
	for (size_t i = 0; i < n; i++) {
		const struct trace_event *v = &t->event[i];

		fprintf(out, "<tr><td>%.3f</td><td class=\"t\">", (double)(v->t_ns - t->begin_ns) / 1e9);
		write_when(out, t, v->t_ns);
		for (int k = 0; k < 3; k++) {
			fputs("</td><td class=\"t\">", out);
			html_text(out, (const char *[]){ v->kind, v->mode, v->reason }[k]);
		}
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
	if (n < t->n_events)
		fprintf(out, "<p>%zu more are not shown.</p>\n", t->n_events - n);
}

static void write_setup(FILE *out, const struct bench_trace *t)
{
	fputs("<h2>Machine and programs</h2>\n<table>\n", out);
	for (uint32_t i = 0; i < t->n_notes; i++) {
		if (strcmp(t->note[i].name, "title") == 0)
			continue;
		fputs("<tr><td>", out);
		html_text(out, t->note[i].name);
		fputs("</td><td class=\"t\">", out);
		html_text(out, t->note[i].value);
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
	if (!t->config)
		return;
	fputs("<details><summary>Configuration</summary><pre>", out);
	html_text(out, t->config);
	fputs("</pre></details>\n", out);
}

void report_write_html(FILE *out, const struct bench_trace *t, const struct trace_stages *s)
{
	write_head(out, t, s);
	fputs("<h2>Where the milliseconds go</h2>\n<p>Light bars are sums of others.</p>\n", out);
	chart_way(out, t, &s->typical, "Typical frame");
	chart_way(out, t, &s->worst, "Worst frame");
	write_stages(out, t, s);
	fputs("<h2>Percentiles</h2>\n", out);
	chart_percentiles(out, t, s);
	fputs("<h2>Histograms</h2>\n", out);
	chart_histograms(out, t, s);
	fputs("<h2>Lateness of the control loop</h2>\n", out);
	chart_lateness(out, t);
	fputs("<h2>Chunks</h2>\n", out);
	chart_chunks(out, t);
	write_counts(out, t);
	fputs("<h2>Modes</h2>\n", out);
	chart_modes(out, t);
	write_events(out, t);
	write_setup(out, t);
	fputs("</body></html>\n", out);
}
